"""Cutting the network out of a graph and putting it back."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx

from xopt.datasets.phantoms import draw
from xopt.optimize.export.onnx import encode_onnx
from xopt.optimize.export.openvino_ir import read_ir
from xopt.optimize.quantize.network import cut_network, join_network, layers, read_onnx, shape_of
from xopt.runtime import BundleError
from xopt.runtime.bundle.bundle import write_bundle

from .graphs import answers


@pytest.fixture(scope="module")
def images():
    return draw(4, seed=3, size=72).images_NHW


def test_what_is_cut_takes_one_crop_and_gives_its_probabilities(model, bundle):
    network, classes = cut_network(model), len(bundle.manifest.classes)
    (entrance,) = network.graph.input
    assert entrance.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert shape_of(network, "crops") == (1, 1, 64, 64)
    assert shape_of(network, "crop_probabilities") == (1, 1, classes)
    assert shape_of(network, "crop_activation_maps") == (1, classes, 2, 2)


def test_the_network_put_back_answers_with_the_same_bits(model, images):
    again = join_network(model, cut_network(model))
    onnx.checker.check_model(again, full_check=True)
    assert [output.name for output in again.graph.output] == ["probabilities", "activation_maps"]
    assert [entrance.name for entrance in again.graph.input] == ["image"]
    np.testing.assert_array_equal(answers(again, images), answers(model, images))


def test_a_joined_graph_can_be_cut_again(model, images):
    twice = join_network(model, cut_network(join_network(model, cut_network(model))))
    np.testing.assert_array_equal(answers(twice, images), answers(model, images))


def test_a_network_joins_a_graph_whose_other_values_have_its_names(model, images):
    """Exporters number values anew in each graph: one plan's `view_1` is another's `add_7`."""
    network = cut_network(model)
    inner = next(node.output[0] for node in network.graph.node if node.op_type == "Relu")
    outer = next(node.input[0] for node in model.graph.node if "probabilities" in node.output)
    assert outer not in {value for node in network.graph.node for value in node.output}
    joined = join_network(renamed(model, {inner: "elsewhere", outer: inner}), network)
    np.testing.assert_array_equal(answers(joined, images), answers(model, images))


def renamed(model, new):
    """A copy of a graph with other names for some values."""
    changed = type(model)()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        node.input[:] = [new.get(value, value) for value in node.input]
        node.output[:] = [new.get(value, value) for value in node.output]
    return changed


def test_cutting_and_joining_leave_the_graph_as_it_was(model):
    before = encode_onnx(model)
    join_network(model, cut_network(model))
    assert encode_onnx(model) == before


def test_layers_are_named_as_in_pytorch(model):
    names = list(layers(cut_network(model)))
    assert names[0] == "conv1"
    assert names[-1] == "fc"
    assert "layer4.1.conv2" in names
    assert "layer2.0.downsample.0" in names
    assert len(names) == 21


def test_a_graph_of_somebody_else_is_refused():
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Relu", ["a"], ["b"])
    ends = [[value(name, onnx.TensorProto.FLOAT, [1, 4])] for name in "ab"]
    graph = onnx.helper.make_graph([node], "foreign", *ends)
    with pytest.raises(BundleError, match="no tensor 'crops'"):
        cut_network(onnx.helper.make_model(graph))


def test_a_bundle_without_onnx_cannot_be_quantized(bundle, tmp_path):
    names = ("model.xml", "model.bin", "golden.npz")
    lone = write_bundle(tmp_path / "lone.xopt", bundle.manifest, {name: bundle.read(name) for name in names})
    with pytest.raises(BundleError, match=r"lone\.xopt holds no model\.onnx, which is what is quantized"):
        read_onnx(lone)


@pytest.mark.parametrize("damage", [b"", b"<net>", b"not xml"])
def test_an_unreadable_graph_is_refused(damage):
    with pytest.raises(BundleError, match="cannot read the model"):
        read_ir(damage, b"")
