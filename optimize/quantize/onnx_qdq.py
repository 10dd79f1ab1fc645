"""A quantized OpenVINO model as ONNX with QuantizeLinear and DequantizeLinear, for ONNX Runtime.

The FP32 graph in ONNX has the tensors and layers of the OpenVINO graph by the same names, so what NNCF
decided is carried over place by place: ranges of activations, 8-bit weights, corrected biases. Both engines
then compute one function, and what passed the gate on one has passed it on the other.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import BundleError
from .onnx_editing import OnnxGraph
from .openvino_quantizers import Edge, Layer, Steps, edges, layers_of, tensor_names

if TYPE_CHECKING:
    import onnx
    import openvino

_LAYERS = ("Conv", "Gemm", "MatMul")
_STEPS_KEPT = ("MaxPool", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze")
_WEIGHT_STEPS = 1.01
"""How far, in steps, 8-bit weights may be from the float ones they stand for."""
_INT32_ROOM = 2.0**30
"""Largest bias in steps; a factor of two is left for the sum it is added to."""


def to_qdq(onnx_fp32: bytes, model: "openvino.Model") -> bytes:
    """The ONNX graph that computes what a quantized OpenVINO model computes.

    Args:
        onnx_fp32: the exported graph that `model` was quantized from.
        model: the quantized graph, as `optimize.quantize.nncf_ptq.quantize_model` gives it.

    Returns:
        the graph with its weights, self-contained.

    Raises:
        BundleError: a quantizer, a layer or a bias has no one place in the ONNX graph; nothing is left out.
    """
    import onnx

    graph = OnnxGraph(onnx.load_from_string(onnx_fp32), tensor_names(model))
    everything = edges(model)
    quantized = [edge for edge in everything if edge.steps is not None]
    moved = _reroute(graph, quantized)
    _check_rest(graph, [edge for edge in everything if edge.steps is None], quantized, moved)
    for layer in layers_of(model):
        _carry_layer(graph, layer)
    graph.finish()
    encoded: bytes = graph.model.SerializeToString(deterministic=True)
    return encoded


@dataclass(frozen=True)
class _Move:
    """One input of one node that now takes a quantized value."""

    node: str
    value: str


def _reroute(graph: OnnxGraph, quantized: list[Edge]) -> set[_Move]:
    """Send every quantized tensor through QuantizeLinear and DequantizeLinear to its consumers."""
    moved: set[_Move] = set()
    plans: list[tuple[str, Steps, list[onnx.NodeProto]]] = []
    for edge in quantized:
        assert edge.steps is not None
        nodes = _region(graph, edge)
        placed = False
        for name in sorted(edge.names):
            takers = [node for node in graph.consumers(name) if any(node is other for other in nodes)]
            moves = {_Move(node.output[0], name) for node in takers}
            if moves & moved:
                raise _no_place(f"{name} is quantized in two ways for one operation")
            moved |= moves
            if takers:
                plans.append((name, edge.steps, takers))
                placed = True
        if not placed:
            raise _no_place(f"nothing in model.onnx takes the quantized tensor {', '.join(edge.names)}")
    for number, (name, steps, takers) in enumerate(plans):
        quantizer = _insert(graph, name, steps, number)
        for node in takers:
            for index, value in enumerate(node.input):
                if value == name:
                    node.input[index] = quantizer
    return moved


def _insert(graph: OnnxGraph, value: str, steps: Steps, number: int) -> str:
    scale = graph.add(f"{value}/scale_{number}", steps.scale)
    zero = graph.add(f"{value}/zero_point_{number}", steps.zero_point)
    axis = 1 if steps.scale.ndim else None
    stem = f"{value}/quantized_{number}"
    graph.node("QuantizeLinear", [value, scale, zero], stem, after=value, axis=axis)
    output = f"{value}/dequantized_{number}"
    graph.node("DequantizeLinear", [stem, scale, zero], output, after=value, axis=axis)
    graph.steps[output] = steps
    return output


def _check_rest(graph: OnnxGraph, direct: list[Edge], quantized: list[Edge], moved: set[_Move]) -> None:
    """Check that consumers of quantized tensors which still take the float do so in OpenVINO, too."""
    touched = frozenset(name for edge in quantized for name in edge.names)
    inner = [node.output[0] for edge in quantized for node in _inner(graph, edge)]
    floats: set[_Move] = set()
    for edge in direct:
        names = edge.names & touched
        if not names:
            continue
        for node in _region(graph, edge):
            floats |= {_Move(node.output[0], name) for name in names}
    if both := moved & floats:
        clash = sorted(both, key=lambda move: move.value)[0]
        raise _no_place(f"{clash.value} is quantized for one input of {clash.node} and not for another")
    for name in touched:
        for node in graph.consumers(name):
            if _Move(node.output[0], name) not in floats and node.output[0] not in inner:
                raise _no_place(
                    f"{node.name} takes {name}, and OpenVINO's graph does not say in how many bits"
                )


def _region(graph: OnnxGraph, edge: Edge) -> list["onnx.NodeProto"]:
    return [node for end in sorted(edge.ends) for node in graph.region(end)]


def _inner(graph: OnnxGraph, edge: Edge) -> list["onnx.NodeProto"]:
    """The nodes between two names of one tensor: reshapes that OpenVINO took for doing nothing."""
    return [
        node for name in edge.names for node in graph.region(name) if not edge.names.isdisjoint(node.input)
    ]


def _carry_layer(graph: OnnxGraph, layer: Layer) -> None:
    """Give the ONNX node of a layer the layer's weights and bias.

    Raises:
        BundleError: there is no such node, or its float weights are not what the layer's stand for.
    """
    node = graph.by_name.get(layer.name)
    if node is None or node.op_type not in _LAYERS:
        raise _no_place(f"model.onnx has no layer {layer.name}")
    _match_bias(graph, node, layer)
    if layer.weights is None or layer.scale is None:
        _carry_float_bias(graph, node, layer)
        return
    weights, scale_O, axis = _as_in_onnx(graph, node, layer.weights, layer.scale)
    steps = _input_steps(graph, node)
    if steps is not None and steps.scale.ndim:
        # NNCF gives the input of a depthwise convolution a range a channel. ONNX Runtime would take this for
        # an integer convolution, which has one range, and fail; with float weights it computes in float.
        values = weights * scale_O.reshape(-1, *[1] * (weights.ndim - 1))
        node.input[1] = graph.add(f"{layer.name}/weights", values.astype(np.float32))
        _carry_float_bias(graph, node, layer)
        return
    if layer.bias is not None and steps is not None:
        weights, scale_O = _make_room(weights, scale_O, axis, layer.bias, float(steps.scale))
        bias_scale_O = steps.scale * scale_O
        bias_O = np.rint(layer.bias / bias_scale_O.astype(np.float64)).astype(np.int32)
        node.input[2] = _dequantized(graph, f"{layer.name}/bias", bias_O, bias_scale_O, 0)
    else:
        _carry_float_bias(graph, node, layer)
    node.input[1] = _dequantized(graph, f"{layer.name}/weights", weights, scale_O, axis)


def _carry_float_bias(graph: OnnxGraph, node: "onnx.NodeProto", layer: Layer) -> None:
    if layer.bias is not None:
        node.input[2] = graph.add(f"{layer.name}/bias", layer.bias)


def _match_bias(graph: OnnxGraph, node: "onnx.NodeProto", layer: Layer) -> None:
    from onnx import numpy_helper

    has_bias = len(node.input) > 2 and bool(node.input[2])
    if has_bias and layer.bias is None:
        stored = graph.initializers.get(node.input[2])
        if stored is not None and not numpy_helper.to_array(stored).any():
            del node.input[2:]
            return
    if has_bias != (layer.bias is not None):
        raise _no_place(f"layer {layer.name} has a bias in one graph only")


def _as_in_onnx(
    graph: OnnxGraph, node: "onnx.NodeProto", weights: NDArray[np.int8], scale: NDArray[np.float32]
) -> tuple[NDArray[np.int8], NDArray[np.float32], int]:
    """Weights in ONNX's layout, their scale (O,), and the axis of the output channels."""
    from onnx import numpy_helper

    stored = graph.initializers.get(node.input[1])
    if stored is None:
        raise _no_place(f"layer {node.name} takes its weights from another operation")
    float_weights = numpy_helper.to_array(stored)
    every_scale = np.broadcast_to(scale, weights.shape)
    if weights.ndim == float_weights.ndim + 1:
        # OpenVINO keeps the groups of a convolution apart, ONNX one after the other.
        shape = (-1, *weights.shape[2:])
        weights, every_scale = weights.reshape(shape), every_scale.reshape(shape)
    elif weights.shape != float_weights.shape and weights.ndim == 2:
        weights, every_scale = weights.T, every_scale.T
    # Steps of the range's ends may be cut off, so half a step of rounding is not all.
    fits = weights.shape == float_weights.shape and np.all(
        np.abs(weights * every_scale - float_weights) <= every_scale * _WEIGHT_STEPS
    )
    if not fits:
        raise _no_place(f"the 8-bit weights of {node.name} are not those of model.onnx")
    axis = _output_axis(node)
    scale_O = np.moveaxis(every_scale, axis, 0).reshape(weights.shape[axis], -1)
    if np.ptp(scale_O, axis=1).max() > 0:
        raise _no_place(f"the weights of {node.name} have several scales in one output channel")
    return np.ascontiguousarray(weights), np.ascontiguousarray(scale_O[:, 0]), axis


def _output_axis(node: "onnx.NodeProto") -> int:
    """The axis of a layer's weights along which its output channels lie."""
    if node.op_type == "Conv":
        return 0
    return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1


def _make_room(
    weights: NDArray[np.int8],
    scale_O: NDArray[np.float32],
    axis: int,
    bias_O: NDArray[np.float32],
    input_scale: float,
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Coarsen the weights of channels whose bias would not fit into 32 bits of their steps.

    Such a channel hardly looks at its input: its bias is a million times what its weights can add.
    """
    least_O = np.abs(bias_O).astype(np.float64) / (input_scale * _INT32_ROOM)
    wider_O = np.maximum(scale_O.astype(np.float64), least_O).astype(np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    ratio = (scale_O.astype(np.float64) / wider_O).reshape(shape)
    return np.rint(weights * ratio).astype(np.int8), wider_O


def _dequantized(
    graph: OnnxGraph, name: str, steps: NDArray[np.generic], scale: NDArray[np.float32], axis: int
) -> str:
    inputs = [
        graph.add(name, steps),
        graph.add(f"{name}/scale", scale),
        graph.add(f"{name}/zero_point", np.zeros(scale.shape, steps.dtype)),
    ]
    return graph.node("DequantizeLinear", inputs, f"{name}/dequantized", after=None, axis=axis)


def _input_steps(graph: OnnxGraph, node: "onnx.NodeProto") -> Steps | None:
    """The steps of a layer's input, as far as only operations that choose or move values stand between."""
    value = node.input[0]
    while value not in graph.steps and value in graph.makers and graph.makers[value].op_type in _STEPS_KEPT:
        value = graph.makers[value].input[0]
    return graph.steps.get(value)


def _no_place(reason: str) -> BundleError:
    return BundleError(
        f"the quantized graph has no equal in ONNX ({reason}); export the FP32 bundle again with this xopt"
    )
