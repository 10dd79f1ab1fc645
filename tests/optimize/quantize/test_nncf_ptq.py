"""Quantizing the network inside a graph."""

import re

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets.phantoms import draw
from xopt.optimize.export.openvino_ir import encode_ir, read_ir
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, calibration_crops, quantize_model
from xopt.optimize.quantize.subgraph import cut_network, join_network
from xopt.runtime import Bundle, Preprocessing, UsageError
from xopt.runtime.backends.openvino import OpenVINOBackend, import_openvino
from xopt.runtime.images.crops import take

CALIBRATION = 20


@pytest.fixture(scope="module")
def bundle(small):
    return Bundle.open(small.bundle)


@pytest.fixture(scope="module")
def model(bundle):
    return read_ir(bundle.read("model.xml"), bundle.read("model.bin"))


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
    return encode_ir(quantized(model, images[:6], bundle))


def operations(model, kind: str):
    return [operation for operation in model.get_ordered_ops() if operation.get_type_name() == kind]


def weights_of(model) -> dict[str, np.ndarray]:
    """The 8-bit weights of each layer that has them."""
    found = {}
    for constant in operations(model, "Constant"):
        if constant.get_element_type().get_type_name() == "i8" and constant.data.ndim > 1:
            found[constant.get_friendly_name()] = constant.data
    return found


def test_the_whole_graph_keeps_its_face(int8, model):
    assert list(int8.input(0).shape) == list(model.input(0).shape)
    assert list(int8.output(0).shape) == list(model.output(0).shape)
    assert int8.output(0).get_names() == {"probabilities"}


def test_every_layer_has_eight_bit_weights(int8):
    assert len(weights_of(int8)) == 21


def test_it_answers_about_like_the_original(int8, model):
    pictures = draw(8, seed=60, size=72).images_NHW
    before, after = OpenVINOBackend(*encode_ir(model)), OpenVINOBackend(*encode_ir(int8))
    differences = [np.abs(before.infer(image) - after.infer(image)).max() for image in pictures]
    assert 0 < max(differences) < 0.2


def test_its_file_is_about_a_quarter(int8, model):
    assert len(encode_ir(int8)[1]) < 0.27 * len(encode_ir(model)[1])


def test_the_same_images_and_settings_give_the_same_bytes(int8, model, images, bundle):
    assert encode_ir(quantized(model, images, bundle)) == encode_ir(int8)


def test_quantizing_leaves_the_original_as_it_was(model, images, bundle):
    before = encode_ir(model)
    quantized(model, images[:2], bundle)
    assert encode_ir(model) == before


def test_the_quantized_graph_can_be_cut_again(int8):
    assert list(cut_network(int8).input(0).shape) == [1, 1, 64, 64]


def test_layers_named_to_be_kept_stay_in_floating_point(model, images, bundle):
    kept = quantized(model, images[:4], bundle, keep_floating_point=("conv1", "layer4.1.conv2", "fc"))
    assert len(weights_of(kept)) == 18
    assert not [name for name in weights_of(kept) if re.match(r"(network\.)?(conv1|fc)\b", name)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("layer4.1.conv3", "did you mean layer4.1.conv2"),
        ("conv1/WithoutBiases", "did you mean"),
        ("zzz", "no layer 'zzz' to keep in floating point; the network has 21, from conv1 on"),
    ],
)
def test_a_layer_that_is_not_there_cannot_be_kept(model, images, bundle, name, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        quantized(model, images[:1], bundle, keep_floating_point=(name,))


@pytest.mark.parametrize(("fix", "widest"), [("all", 64), ("none", 127)])
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
    assert encode_ir(quantized(model, images[:6], bundle, **option)) != plain


# NNCF skips a correction that is large against the bias, so none of these is near zero.
BIAS = np.linspace(0.5, 1.5, 128, dtype=np.float32).reshape(1, 128, 1, 1)


@pytest.fixture(scope="module")
def biased(model):
    """The untrained network has no biases, and NNCF corrects only what there is: here is one."""
    network = cut_network(model)
    layer = next(
        op for op in operations(network, "Convolution") if op.get_friendly_name() == "layer2.0.conv1"
    )
    targets = list(layer.output(0).get_target_inputs())
    opset = import_openvino().opset13
    total = opset.add(layer, opset.constant(BIAS), name="biased")
    for target in targets:
        target.replace_source_output(total.output(0))
    return join_network(model, network)


@pytest.mark.slow
@pytest.mark.parametrize(("correction", "same"), [("none", True), ("fast", False)])
def test_biases_are_corrected_or_left_as_they_were(biased, images, bundle, correction, same):
    result = quantized(biased, images[:6], bundle, bias_correction=correction)
    (total,) = [op for op in operations(result, "Add") if op.get_friendly_name() == "biased"]
    found = total.input_value(1).get_node().data
    assert np.array_equal(found, BIAS) is same
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
    preprocessing = Preprocessing(size=72, crop=64, crops=plan)
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
