"""A quantized OpenVINO graph and its ONNX form: the same numbers in the same places, the same answers."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import torch

from xopt.datasets import phantoms
from xopt.models.backbone import split_network
from xopt.models.registry import build
from xopt.optimize.export.graph import InferenceGraph
from xopt.optimize.export.onnx import to_onnx
from xopt.optimize.export.openvino_ir import encode_ir, from_onnx, read_ir
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.quantize.onnx_qdq import to_qdq
from xopt.runtime import BundleError, Preprocessing
from xopt.runtime.backends.onnxruntime import OnnxRuntimeBackend
from xopt.runtime.backends.openvino import import_openvino

SIZE, CROP, CLASSES = 72, 64, 5
LAYERS = ("Convolution", "GroupConvolution", "MatMul")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One quantized network in both forms, and the float graph it came from."""

    model: object
    qdq: bytes
    fp32: bytes


def quantized(architecture: str, *, crops: str = "center", **settings: object) -> Pair:
    torch.manual_seed(0)
    network = build(architecture, CLASSES).eval()
    preprocessing = Preprocessing(size=SIZE, crop=CROP, crops=crops)
    images = phantoms.draw(4, seed=3, size=SIZE).images_NHW
    graph = InferenceGraph(network, split_network(architecture, network), preprocessing, "multi-label").eval()
    fp32 = to_onnx(graph, size=SIZE)
    model = from_onnx(fp32, size=SIZE, name="network")
    int8 = read_ir(*encode_ir(quantize_model(model, images, preprocessing, QuantizeSettings(**settings))))
    return Pair(model=int8, qdq=to_qdq(fp32, int8), fp32=fp32)


@pytest.fixture(scope="module")
def resnet() -> Pair:
    return quantized("resnet18", crops="ten-shared", keep_floating_point=("layer2.0.conv1",))


def openvino_layers(model) -> dict[str, tuple]:
    """Per quantized layer, read backwards from it: range of its input, its weights, its bias."""
    found = {}
    for operation in model.get_ordered_ops():
        name = operation.get_friendly_name().removesuffix("/WithoutBiases")
        weights = operation.input_value(1).get_node() if operation.get_type_name() in LAYERS else None
        if weights is not None and weights.get_type_name() == "Reshape":
            weights = weights.input_value(0).get_node()
        if weights is None or weights.get_type_name() != "Multiply":
            continue
        steps = weights.input_value(0).get_node().input_value(0).get_node().data
        values = steps * weights.input_value(1).get_node().data
        source = operation.input_value(0).get_node()
        while source.get_type_name() in ("Reshape", "MaxPool"):
            source = source.input_value(0).get_node()
        assert source.get_type_name() == "FakeQuantize", name
        low, high = (source.input_value(port).get_node().data.reshape(-1) for port in (1, 2))
        adder = next(iter(operation.output(0).get_target_inputs())).get_node()
        has_bias = adder.get_friendly_name() == name
        bias = adder.input_value(1).get_node().data.reshape(-1) if has_bias else None
        found[name] = (low, high, values, bias)
    return found


def onnx_layers(encoded: bytes) -> dict[str, tuple]:
    """The same, read backwards from the ONNX nodes."""
    graph = onnx.load_from_string(encoded).graph
    arrays = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    makers = {value: node for node in graph.node for value in node.output}

    def value_of(name):
        if name in arrays:
            return arrays[name]
        steps, scale, zero = (arrays[part] for part in makers[name].input)
        axis = next(a.i for a in makers[name].attribute if a.name == "axis")
        shape = [1] * steps.ndim
        shape[axis] = -1
        return (steps.astype(np.float64) - zero.reshape(shape)) * scale.reshape(shape)

    found = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        source = makers.get(node.input[0])
        if source is None:
            continue
        while source.op_type in ("Reshape", "Unsqueeze", "MaxPool"):
            source = makers[source.input[0]]
        if source.op_type != "DequantizeLinear":
            continue
        scale, zero = (arrays[name].astype(np.float64).reshape(-1) for name in source.input[1:])
        bias = value_of(node.input[2]) if len(node.input) > 2 else None
        found[node.name] = (-zero * scale, (255 - zero) * scale, value_of(node.input[1]), bias)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("resnet18", {"preset": "mixed"}),
        ("resnet50", {}),
        ("densenet121", {}),
        ("mobilenet_v3_small", {}),
        ("efficientnet_b0", {"preset": "mixed"}),
    ],
)
def test_every_layer_takes_in_onnx_what_it_takes_in_openvino(architecture, settings):
    pair = quantized(architecture, **settings)
    theirs, mine = openvino_layers(pair.model), onnx_layers(pair.qdq)
    assert len(theirs) > 15
    assert set(mine) == set(theirs)
    for name, (low, high, weights, bias) in theirs.items():
        mine_low, mine_high, mine_weights, mine_bias = mine[name]
        step = (high - low) / 255
        np.testing.assert_allclose(mine_low, low, atol=step.max() * 0.02, err_msg=name)
        np.testing.assert_allclose(mine_high, high, atol=step.max() * 0.02, err_msg=name)
        reach = np.abs(weights).max()
        np.testing.assert_allclose(mine_weights, weights.reshape(mine_weights.shape), atol=reach * 1e-6)
        assert (mine_bias is None) == (bias is None)
        if bias is not None:
            # A sum is kept in steps of the input's times the weights' scale, far below any of its terms.
            np.testing.assert_allclose(mine_bias, bias, atol=step.max() * reach, rtol=1e-6, err_msg=name)
    ours = onnx.load_from_string(pair.qdq)
    onnx.checker.check_model(ours, full_check=True)
    quantizers = [op for op in pair.model.get_ordered_ops() if op.get_type_name() == "FakeQuantize"]
    assert sum(node.op_type == "QuantizeLinear" for node in ours.graph.node) == len(quantizers)
    image = phantoms.draw(1, seed=4, size=SIZE).images_NHW[0]
    assert OnnxRuntimeBackend(pair.qdq).infer(image).shape == (CLASSES,)


def test_both_graphs_are_one_function_where_nothing_rounds_otherwise(resnet):
    """OpenVINO runs both in float, quantizers as they stand: what is left is the biases' last bits."""
    ov = import_openvino()
    core = ov.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": False}
    other = core.read_model(resnet.qdq)
    other.reshape([1, SIZE, SIZE])
    fp32 = core.read_model(resnet.fp32)
    fp32.reshape([1, SIZE, SIZE])
    images = phantoms.draw(6, seed=5, size=SIZE).images_NHW
    answers = []
    for model in (resnet.model, other, fp32):
        compiled = core.compile_model(model, "CPU", settings)
        answers.append(np.stack([compiled(image[None])["probabilities"][0] for image in images]))
    apart, lost = np.abs(answers[0] - answers[1]), np.abs(answers[0] - answers[2])
    assert np.sqrt((apart**2).mean()) < 0.2 * np.sqrt((lost**2).mean())


def test_a_layer_kept_in_floating_point_stays_so(resnet):
    layers = onnx_layers(resnet.qdq)
    assert "layer2.0.conv1" not in layers
    assert "layer2.0.conv2" in layers


def test_the_weights_are_stored_in_eight_bits_and_once(resnet):
    assert len(resnet.qdq) < 0.3 * len(resnet.fp32)
    names = [value.name for value in onnx.load_from_string(resnet.qdq).graph.initializer]
    assert "network.layer1.0.conv1.weight" not in names
    assert len(names) == len(set(names))


def test_the_same_graphs_give_the_same_bytes(resnet):
    assert to_qdq(resnet.fp32, resnet.model) == resnet.qdq


def changed(fp32: bytes, change) -> bytes:
    model = onnx.load_from_string(fp32)
    change(model.graph)
    encoded: bytes = model.SerializeToString()
    return encoded


def rename_layer(graph):
    next(node for node in graph.node if node.name == "layer3.0.conv1").name = "layer3.0.conv9"


def other_weights(graph):
    value = next(v for v in graph.initializer if v.name == "network.layer3.0.conv1.weight")
    value.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(value), value.name))


def rename_value(graph):
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = "elsewhere" if name == "relu_3" else name


def another_taker(graph):
    graph.node.insert(len(graph.node), onnx.helper.make_node("Relu", ["relu_3"], ["spare"], name="spare"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (rename_layer, "no layer layer3.0.conv1"),
        (other_weights, "weights of layer3.0.conv1 are not those"),
        (rename_value, "takes the quantized tensor relu_3"),
        (another_taker, "spare takes relu_3"),
    ],
)
def test_a_graph_that_does_not_match_is_refused_whole(resnet, change, match):
    with pytest.raises(BundleError, match=match):
        to_qdq(changed(resnet.fp32, change), resnet.model)
