"""Layers of a quantized OpenVINO model in ONNX: 8-bit weights, and biases in the steps of their sums.

Shape suffixes: O output channels.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import BundleError
from .onnx_editing import OnnxGraph
from .openvino_quantizers import Layer, Steps

if TYPE_CHECKING:
    import onnx

_LAYERS = ("Conv", "Gemm", "MatMul")
_STEPS_KEPT = ("MaxPool", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze")
_WEIGHT_STEPS = 1.01
"""How far, in steps, 8-bit weights may be from the float ones they stand for."""
_INT32_ROOM = 2.0**30
"""Largest bias in steps; a factor of two is left for the sum it is added to."""


def carry_layer(graph: OnnxGraph, layer: Layer) -> None:
    """Give the ONNX node of a layer the layer's weights and bias.

    Raises:
        BundleError: there is no such node, or its float weights are not what the layer's stand for.
    """
    node = graph.by_name.get(layer.name)
    if node is None or node.op_type not in _LAYERS:
        raise no_place(f"model.onnx has no layer {layer.name}")
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
        raise no_place(f"layer {layer.name} has a bias in one graph only")


def _as_in_onnx(
    graph: OnnxGraph, node: "onnx.NodeProto", weights: NDArray[np.int8], scale: NDArray[np.float32]
) -> tuple[NDArray[np.int8], NDArray[np.float32], int]:
    """Weights in ONNX's layout, their scale (O,), and the axis of the output channels."""
    from onnx import numpy_helper

    stored = graph.initializers.get(node.input[1])
    if stored is None:
        raise no_place(f"layer {node.name} takes its weights from another operation")
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
        raise no_place(f"the 8-bit weights of {node.name} are not those of model.onnx")
    axis = _output_axis(node)
    scale_O = np.moveaxis(every_scale, axis, 0).reshape(weights.shape[axis], -1)
    if np.ptp(scale_O, axis=1).max() > 0:
        raise no_place(f"the weights of {node.name} have several scales in one output channel")
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


def no_place(reason: str) -> BundleError:
    return BundleError(
        f"the quantized graph has no equal in ONNX ({reason}); export the FP32 bundle again with this xopt"
    )
