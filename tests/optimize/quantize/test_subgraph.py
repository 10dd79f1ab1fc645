"""Cutting the network out of a graph and putting it back."""

import numpy as np
import pytest

pytest.importorskip("torch")

from xopt.datasets.phantoms import draw
from xopt.optimize.export.openvino_ir import encode_ir, read_ir
from xopt.optimize.quantize.subgraph import cut_network, join_network, layers
from xopt.runtime import Bundle, BundleError
from xopt.runtime.backends.openvino import OpenVINOBackend, import_openvino


@pytest.fixture(scope="module")
def model(small):
    bundle = Bundle.open(small.bundle)
    return read_ir(bundle.read("model.xml"), bundle.read("model.bin"))


@pytest.fixture(scope="module")
def images():
    return draw(4, seed=3, size=72).images_NHW


def answers(model, images):
    backend = OpenVINOBackend(*encode_ir(model))
    return np.stack([backend.infer(image) for image in images])


def test_what_is_cut_takes_one_crop_and_gives_its_probabilities(model):
    network = cut_network(model)
    assert list(network.input(0).shape) == [1, 1, 64, 64]
    assert network.input(0).get_element_type().get_type_name() == "u8"
    assert list(network.output(0).shape) == [1, 1, model.output(0).shape[1]]
    assert list(network.output(1).shape) == [1, model.output(0).shape[1], 2, 2]


def test_the_network_put_back_answers_with_the_same_bits(model, images):
    again = join_network(model, cut_network(model))
    assert [output.get_any_name() for output in again.outputs] == ["probabilities", "activation_maps"]
    assert [entrance.get_any_name() for entrance in again.inputs] == ["image"]
    np.testing.assert_array_equal(answers(again, images), answers(model, images))


def test_a_joined_graph_can_be_cut_again(model, images):
    twice = join_network(model, cut_network(join_network(model, cut_network(model))))
    np.testing.assert_array_equal(answers(twice, images), answers(model, images))


def test_cutting_and_joining_leave_the_graph_as_it_was(model):
    before = encode_ir(model)
    join_network(model, cut_network(model))
    assert encode_ir(model) == before


def test_layers_are_named_as_in_pytorch(model):
    names = list(layers(cut_network(model)))
    assert names[0] == "conv1"
    assert names[-1] == "fc"
    assert "layer4.1.conv2" in names
    assert "layer2.0.downsample.0" in names
    assert len(names) == 21


def test_a_graph_of_somebody_else_is_refused():
    operations = import_openvino().opset13
    entrance = operations.parameter([1, 4], np.float32)
    foreign = import_openvino().Model([operations.result(operations.relu(entrance))], [entrance], "foreign")
    with pytest.raises(BundleError, match="no tensor 'crops'"):
        cut_network(foreign)


@pytest.mark.parametrize("damage", [b"", b"<net>", b"not xml"])
def test_an_unreadable_graph_is_refused(damage):
    with pytest.raises(BundleError, match="cannot read the model"):
        read_ir(damage, b"")
