"""Parts of a quantized network back in floating point."""

import re

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets.phantoms import draw
from xopt.optimize import return_layers
from xopt.optimize.export.onnx import encode_onnx
from xopt.optimize.quantize.network import cut_network, layers, makers
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.quantize.qdq import for_onnx_runtime
from xopt.optimize.quantize.revert_layers import parts
from xopt.runtime import BundleError, UsageError
from xopt.runtime.backends.onnxruntime import OnnxRuntimeBackend

from .graphs import answers


@pytest.fixture(scope="module")
def int8(model, bundle):
    images = draw(6, seed=6, size=72).images_NHW
    return quantize_model(model, images, bundle.manifest.preprocessing, QuantizeSettings())


def eight_bit_weights(model) -> list[str]:
    made_by = makers(model)
    return [name for name, node in layers(model).items() if node.input[1] in made_by]


def quantizers(model) -> int:
    return sum(node.op_type == "QuantizeLinear" for node in model.graph.node)


def test_every_layer_in_eight_bits_is_a_part_by_its_name_in_pytorch(int8, bundle):
    found = [part for part in parts(cut_network(int8)) if part.is_layer]
    assert len(found) == 21
    assert (found[0].name, found[-1].name) == ("conv1", "fc")
    # What a pooled tensor is rounded by serves a sum, too, so it belongs to the layer before.
    assert [part.name for part in found if not part.ports] == ["layer1.0.conv1"]
    # 64 channels of 32 x 32 from kernels of 7 x 7 on three planes; 512 features to each class.
    assert found[0].macs == 64 * 32 * 32 * 3 * 49
    assert found[-1].macs == 512 * len(bundle.manifest.classes)


def test_a_floating_point_graph_has_no_parts(model):
    assert parts(model) == ()


def test_all_parts_returned_give_the_original_answers_to_the_bit(model, int8):
    whole = return_layers(model, int8, [part.name for part in parts(int8)])
    assert quantizers(whole) == 0
    assert eight_bit_weights(whole) == []
    np.testing.assert_array_equal(answers(whole), answers(model))


def test_no_part_returned_is_the_same_network(model, int8):
    assert encode_onnx(return_layers(model, int8, ())) == encode_onnx(int8)


@pytest.mark.parametrize(
    ("name", "weights", "fewer"),
    [("conv1", 20, 1), ("layer4.1.conv2", 20, 1), ("fc", 20, 1), ("conv1/output", 21, 0)],
)
def test_one_part_returned_leaves_all_others(model, int8, name, weights, fewer):
    changed = return_layers(model, int8, [name])
    assert len(eight_bit_weights(changed)) == weights
    assert quantizers(changed) <= quantizers(int8) - fewer
    assert {part.name for part in parts(int8)} - {part.name for part in parts(changed)} == {name}
    assert np.abs(answers(changed) - answers(int8)).max() > 0


def test_neither_graph_is_changed(model, int8):
    before = encode_onnx(model), encode_onnx(int8)
    return_layers(model, int8, ["conv1", "fc"])
    assert (encode_onnx(model), encode_onnx(int8)) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("conv2", "did you mean"),
        ("layer4.1.conv3", "did you mean layer4.1.conv2?"),
        ("zzz", "nothing called 'zzz' is in 8 bits in this graph"),
    ],
)
def test_a_name_that_is_no_part_is_refused_with_the_nearest(model, int8, name, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        return_layers(model, int8, [name])


def test_another_networks_weights_are_refused(int8):
    with pytest.raises(BundleError, match="give the bundle it was made from"):
        return_layers(int8, int8, ["conv1"])


@pytest.mark.parametrize("names", [("conv1",), ("layer1.0.conv2", "layer2.0.conv2/output"), ("fc",)])
def test_onnx_runtime_follows_what_returned(model, int8, names):
    changed = return_layers(model, int8, names)
    backend = OnnxRuntimeBackend(for_onnx_runtime(changed))
    found = np.stack([backend.infer(image) for image in draw(3, seed=60, size=72).images_NHW])
    # The untrained network's large head amplifies what two engines round differently.
    assert np.abs(found - answers(changed)).max() < 0.1
