"""The quantized graph: integers of the float network's weights, one function in both engines."""

from dataclasses import dataclass
from typing import Any

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
from xopt.optimize.export.onnx import encode_onnx, to_onnx
from xopt.optimize.export.openvino_ir import encode_ir, from_onnx, read_ir
from xopt.optimize.quantize.network import constants, layers, makers
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.quantize.qdq import finish_qdq, for_onnx_runtime
from xopt.optimize.quantize.revert_layers import parts
from xopt.runtime import Preprocessing
from xopt.runtime.backends.onnxruntime import OnnxRuntimeBackend
from xopt.runtime.backends.openvino import import_openvino
from xopt.runtime.graph_check.check import check_graph

SIZE, CROP, CLASSES = 72, 64, 5


@dataclass(frozen=True, kw_only=True)
class Pair:
    fp32: Any
    int8: Any


def quantized(architecture: str, *, crops: str = "center", **settings: object) -> Pair:
    torch.manual_seed(0)
    network = build(architecture, CLASSES).eval()
    preprocessing = Preprocessing.square(SIZE, CROP, crops=crops)
    images = phantoms.draw(4, seed=3, size=SIZE).images_NHW
    graph = InferenceGraph(network, split_network(architecture, network), preprocessing, "multi-label").eval()
    fp32 = to_onnx(graph, size=SIZE)
    return Pair(fp32=fp32, int8=quantize_model(fp32, images, preprocessing, QuantizeSettings(**settings)))


@pytest.fixture(scope="module")
def resnet() -> Pair:
    return quantized("resnet18", crops="ten-shared", keep_floating_point=("layer2.0.conv1",))


def rounded_layers(model) -> dict[str, tuple]:
    """Weights of 8 bits with their scale (O, ...), and the bias that stands beside them, by layer."""
    stored, made_by = constants(model), makers(model)
    found = {}
    for name, node in layers(model).items():
        maker = made_by.get(node.input[1])
        if maker is None or maker.op_type != "DequantizeLinear":
            continue
        weights, scale = stored[maker.input[0]], stored[maker.input[1]]
        shape = [1] * weights.ndim
        shape[next(a.i for a in maker.attribute if a.name == "axis")] = -1
        found[name] = (
            weights,
            scale.reshape(shape),
            made_by.get(node.input[2]) if len(node.input) > 2 else None,
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("resnet18", {"preset": "mixed"}),
        ("resnet50", {"crops": "five"}),
        ("densenet121", {"crops": "ten"}),
        ("mobilenet_v3_small", {"crops": "five-shared"}),
        ("efficientnet_b0", {"preset": "mixed"}),
    ],
)
def test_every_network_becomes_integers_that_both_engines_take(architecture, settings):
    pair = quantized(architecture, **settings)
    floats, stored = constants(pair.fp32), constants(pair.int8)
    found = rounded_layers(pair.int8)
    assert len(found) > 15
    for name, (steps, scale, bias) in found.items():
        weights = floats[layers(pair.fp32)[name].input[1]]
        # NNCF leaves depthwise kernels at eight bits.
        depthwise = steps.shape[1] == 1
        assert np.abs(steps.astype(int)).max() <= (127 if depthwise else 63)
        assert (np.abs(steps * scale - weights) <= (0.51 if depthwise else 0.5001) * scale).all(), name
        assert bias is None or stored[bias.input[0]].dtype == np.int32
    quantizers = [node for node in pair.int8.graph.node if node.op_type == "QuantizeLinear"]
    assert {stored[node.input[2]].dtype for node in quantizers} == {np.dtype(np.uint8)}
    onnx.checker.check_model(pair.int8, full_check=True)
    xml, weights = encode_ir(from_onnx(pair.int8))
    check_graph(xml, weights)
    image = phantoms.draw(1, seed=4, size=SIZE).images_NHW[0]
    assert OnnxRuntimeBackend(for_onnx_runtime(pair.int8)).infer(image).shape == (CLASSES,)


def test_both_graphs_are_one_function_where_nothing_rounds_otherwise(resnet):
    """OpenVINO runs both in float, quantizers as they stand."""
    core = import_openvino().Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": False}
    other = onnx.load_from_string(for_onnx_runtime(resnet.int8))
    images = phantoms.draw(6, seed=5, size=SIZE).images_NHW
    answers = []
    for graph in (resnet.int8, other, resnet.fp32):
        compiled = core.compile_model(from_onnx(graph), "CPU", settings)
        answers.append(np.stack([compiled(image[None])["probabilities"][0] for image in images]))
    apart, lost = np.abs(answers[0] - answers[1]), np.abs(answers[0] - answers[2])
    assert np.sqrt((apart**2).mean()) < 0.2 * np.sqrt((lost**2).mean())


def test_a_layer_kept_in_floating_point_stays_so(resnet):
    found = rounded_layers(resnet.int8)
    assert "layer2.0.conv1" not in found
    assert "layer2.0.conv2" in found


def test_the_weights_are_stored_in_eight_bits_and_once(resnet):
    assert len(for_onnx_runtime(resnet.int8)) < 0.3 * len(encode_onnx(resnet.fp32))
    names = [value.name for value in resnet.int8.graph.initializer]
    assert "network.layer1.0.conv1.weight" not in names
    assert len(names) == len(set(names))


def layer(weights_OI, steps_OI, *, bias_O, scale=0.01):
    """One matrix product behind a quantizer, as NNCF leaves it, and the float network that it was made of."""
    value, helper = onnx.helper.make_tensor_value_info, onnx.helper
    floats = onnx.TensorProto.FLOAT
    shapes = [value("crops", floats, [1, 2])], [value("y", floats, [1, len(bias_O)])]
    arrays = {"w": weights_OI.astype(np.float32), "b": np.array(bias_O, np.float32)}
    gemm = helper.make_node("Gemm", ["crops", "w", "b"], ["y"], name="head", transB=1)
    network = helper.make_model(helper.make_graph([gemm], "float", *shapes, initializer=tensors(arrays)))
    rounded = {
        "x_scale": np.float32(scale),
        "x_zero": np.int8(-28),
        "q": steps_OI.astype(np.int8),
        "q_scale": np.ones(len(bias_O), np.float32),
        "q_zero": np.zeros(len(bias_O), np.int8),
        "b": arrays["b"],
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["crops", "x_scale", "x_zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["q", "q_scale", "q_zero"], ["wd"], axis=0),
        helper.make_node("Gemm", ["xd", "wd", "b"], ["y"], name="head", transB=1),
    ]
    graph = helper.make_graph(nodes, "rounded", *shapes, initializer=tensors(rounded))
    return helper.make_model(graph), network


def tensors(arrays):
    return [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]


@pytest.mark.parametrize(
    ("nncf", "weights", "expected", "scale"),
    [
        # Seven bits: the largest weight of a channel is exact.
        (64, (1.0, -0.25), (63, -16), 1 / 63),
        (63, (-2.0, 2.0), (-63, 63), 2 / 63),
        # Eight bits stay as NNCF chose them, here in steps of 1.
        (127, (3.4, -127.0), (3, -127), 1.0),
        # A channel of zeros.
        (64, (0.0, 0.0), (0, 0), 1.0),
    ],
)
def test_weights_are_rounded_anew_to_whole_steps(nncf, weights, expected, scale):
    done = finish_qdq(*layer(np.array([weights]), np.array([[nncf, 0]]), bias_O=[0.0]))
    steps, found, _ = rounded_layers(done)["head"]
    assert steps.tolist() == [list(expected)]
    assert found.item() == pytest.approx(scale)


@pytest.mark.parametrize(
    ("bias", "weight"),
    [(0.25, 1.0), (-3.0, 1e-3), (1.0, 1e-9), (-1.0, 1e-20), (0.0, 0.0)],
)
def test_a_bias_becomes_whole_steps_of_the_sum_even_where_weights_are_tiny(bias, weight):
    done = finish_qdq(*layer(np.array([[weight, weight / 2]]), np.array([[64, 32]]), bias_O=[bias]))
    stored = constants(done)
    _, weight_scale, rounded = rounded_layers(done)["head"]
    steps, scale, zero = (stored[name] for name in rounded.input)
    assert (steps.dtype, zero.tolist()) == (np.int32, [0])
    assert abs(int(steps[0])) <= 2**30
    assert steps * scale == pytest.approx(bias, abs=scale.item(), rel=1e-6)
    assert scale.item() == pytest.approx(0.01 * weight_scale.item())


def test_activations_become_unsigned_around_the_same_zero():
    done = finish_qdq(*layer(np.array([[1.0, 0.5]]), np.array([[64, 32]]), bias_O=[0.0]))
    quantizer = next(node for node in done.graph.node if node.op_type == "QuantizeLinear")
    zero = constants(done)[quantizer.input[2]]
    assert (zero.dtype, zero.item()) == (np.uint8, 100)


def test_the_ir_of_a_quantized_graph_reads_back(resnet):
    xml, weights = encode_ir(from_onnx(resnet.int8))
    assert list(read_ir(xml, weights).input(0).shape) == [1, SIZE, SIZE]


def test_a_product_of_two_activations_has_no_weights_to_round():
    """As in attention: both inputs are rounded, and neither is a constant."""
    helper = onnx.helper
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("crops", [1, 2, 2]), ("y", [1, 2, 2]))
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["crops", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
        helper.make_node("MatMul", ["x", "x"], ["y"], name="attention"),
    ]
    arrays = {"scale": np.float32(0.1), "zero": np.uint8(3)}
    graph = helper.make_graph(nodes, "rounded", ends[:1], ends[1:], initializer=tensors(arrays))
    model = helper.make_model(graph)
    assert encode_onnx(finish_qdq(model, model)) == for_onnx_runtime(model)
    (part,) = parts(model)
    assert (part.name, part.is_layer, len(part.ports)) == ("crops/output", False, 2)
