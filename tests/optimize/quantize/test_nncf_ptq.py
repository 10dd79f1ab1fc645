"""Quantizing the network inside a graph."""

import re

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets.phantoms import draw
from xopt.optimize.export.onnx import encode_onnx
from xopt.optimize.export.openvino_ir import encode_ir, from_onnx
from xopt.optimize.quantize.network import constants, cut_network, layers, makers, set_constants
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, calibration_crops, quantize_model
from xopt.optimize.quantize.qdq import for_onnx_runtime
from xopt.runtime import Preprocessing, UsageError
from xopt.runtime.images.crops import take

from .graphs import answers

CALIBRATION = 20


@pytest.fixture(scope="module")
def images():
    return draw(CALIBRATION, seed=6, size=72).images_NHW


def quantized(model, images, bundle, **options):
    return quantize_model(model, images, bundle.manifest.preprocessing, QuantizeSettings(**options))


@pytest.fixture(scope="module")
def int8(model, images, bundle):
    return quantized(model, images, bundle)


@pytest.fixture(scope="module")
def plain(model, images, bundle):
    """The defaults on six images, as bytes."""
    return encode_onnx(quantized(model, images[:6], bundle))


def weights_of(model) -> dict[str, np.ndarray]:
    """The 8-bit weights of each layer that has them."""
    stored, made_by = constants(model), makers(model)
    rounded = {name: made_by.get(node.input[1]) for name, node in layers(model).items()}
    return {name: stored[node.input[0]] for name, node in rounded.items() if node is not None}


def test_the_whole_graph_keeps_its_face(int8, model):
    assert int8.graph.input == model.graph.input
    assert int8.graph.output == model.graph.output


def test_every_layer_has_eight_bit_weights(int8):
    found = weights_of(int8)
    assert len(found) == 21
    assert {weights.dtype for weights in found.values()} == {np.dtype(np.int8)}


def test_it_answers_about_like_the_original(int8, model):
    pictures = draw(8, seed=60, size=72).images_NHW
    assert 0 < np.abs(answers(model, pictures) - answers(int8, pictures)).max() < 0.2


def test_its_files_are_about_a_quarter(int8, model):
    assert len(encode_ir(from_onnx(int8))[1]) < 0.27 * len(encode_ir(from_onnx(model))[1])
    assert len(for_onnx_runtime(int8)) < 0.3 * len(encode_onnx(model))


def test_the_same_images_and_settings_give_the_same_bytes(int8, model, images, bundle):
    again = quantized(model, images, bundle)
    assert encode_onnx(again) == encode_onnx(int8)
    assert encode_ir(from_onnx(again)) == encode_ir(from_onnx(int8))


def test_quantizing_leaves_the_original_as_it_was(model, images, bundle):
    before = encode_onnx(model)
    quantized(model, images[:2], bundle)
    assert encode_onnx(model) == before


def test_the_quantized_graph_can_be_cut_again(int8):
    assert [entrance.name for entrance in cut_network(int8).graph.input] == ["crops"]


def test_layers_named_to_be_kept_stay_in_floating_point(model, images, bundle):
    kept = quantized(model, images[:4], bundle, keep_floating_point=("conv1", "layer4.1.conv2", "fc"))
    assert len(weights_of(kept)) == 18
    assert not {"conv1", "layer4.1.conv2", "fc"} & weights_of(kept).keys()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("layer4.1.conv3", "did you mean layer4.1.conv2?"),
        ("zzz", "no layer 'zzz' to keep in floating point; the network has 21, from conv1 on"),
    ],
)
def test_a_layer_that_is_not_there_cannot_be_kept(model, images, bundle, name, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        quantized(model, images[:1], bundle, keep_floating_point=(name,))


@pytest.mark.parametrize(("fix", "widest"), [("all", 63), ("none", 127)])
def test_the_overflow_fix_keeps_weights_to_seven_bits(model, images, bundle, fix, widest):
    weights = weights_of(quantized(model, images[:2], bundle, overflow_fix=fix))
    assert max(np.abs(array.astype(int)).max() for array in weights.values()) == widest


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [
        {"preset": "mixed"},
        {"activation_range": "mean"},
        {"activation_range": "histogram"},
        {"bias_correction": "accurate"},
        {"smooth": 0.5},
    ],
)
def test_every_choice_changes_the_result(model, images, bundle, plain, option):
    assert encode_onnx(quantized(model, images[:6], bundle, **option)) != plain


# NNCF skips a correction that is large against the bias, so none of these is near zero.
BIAS = np.linspace(0.5, 1.5, 128, dtype=np.float32)


@pytest.fixture(scope="module")
def biased(model):
    """The untrained network has no biases, and NNCF corrects only what there is: here is one."""
    changed = type(model)()
    changed.CopyFrom(model)
    layers(changed)["layer2.0.conv1"].input.append("bias")
    set_constants(changed, {"bias": BIAS})
    return changed


@pytest.mark.slow
@pytest.mark.parametrize(("correction", "same"), [("none", True), ("fast", False)])
def test_biases_are_corrected_or_left_as_they_were(biased, images, bundle, correction, same):
    result = quantized(biased, images[:6], bundle, bias_correction=correction)
    steps, scale, _ = makers(result)[layers(result)["layer2.0.conv1"].input[2]].input
    stored = constants(result)
    found = stored[steps] * stored[scale].astype(np.float64)
    assert bool(np.all(np.abs(found - BIAS) <= stored[scale])) is same
    np.testing.assert_allclose(found, BIAS, atol=0.5)


def test_nothing_is_printed(model, images, bundle, capfd):
    quantized(model, images[:2], bundle)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("plan", "each", "expected"),
    [
        ("center", 1, [(0, 0), (1, 0), (2, 0)]),
        ("five", 1, [(0, 0), (1, 1), (2, 2)]),
        ("five", 2, [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 0)]),
        ("center", 4, [(0, 0), (1, 0), (2, 0)]),
    ],
)
def test_windows_take_turns_over_the_images(plan, each, expected):
    preprocessing = Preprocessing.square(72, 64, crops=plan)
    pictures = draw(3, seed=1, size=72).images_NHW
    windows = preprocessing.windows()
    crops = calibration_crops(pictures, preprocessing, each)
    assert len(crops) == len(expected)
    for crop, (image, window) in zip(crops, expected, strict=True):
        np.testing.assert_array_equal(crop, take(pictures[image], windows[window], 64))


@pytest.mark.parametrize(
    "options",
    [
        {"calibration_size": 0},
        {"crops_per_image": 0},
        {"preset": "fast"},
        {"overflow_fix": "maybe"},
        {"sampling": "best"},
        {"activation_range": "median"},
        {"bias_correction": "slow"},
        {"smooth": -0.1},
        {"smooth": 1.5},
    ],
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError, match="got"):
        QuantizeSettings(**options)
