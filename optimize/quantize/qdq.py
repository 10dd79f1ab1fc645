"""Completes NNCF's quantized ONNX network, so that both engines compute it in integers.

Weights, and biases for ONNX Runtime, are stored in the steps of 8-bit sums; activations are unsigned.

Shape suffixes: O output channels.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..export.onnx import encode_onnx
from .network import attribute, constants, layers, makers, pruned, set_constants

if TYPE_CHECKING:
    import onnx

_STEPS_KEPT = ("MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
_HALF_RANGE = 64
"""NNCF's largest step of 7-bit weights: half of 127, rounded up or down."""
_SEVEN_BITS = 63
_INT32_ROOM = 2.0**30
"""Largest bias in steps; a factor of two is left for the sum it is added to."""


def finish_qdq(quantized: "onnx.ModelProto", network: "onnx.ModelProto") -> "onnx.ModelProto":
    """A quantized network with integers throughout.

    - Activations become unsigned with a zero point, the only kind for which ONNX Runtime fuses all layers.
    - 7-bit weights are rounded anew, to 63 steps on each side. NNCF's range ends between two steps, at 63.5,
      so the largest weight of every channel moves by half a step in the same direction, and with it the
      answers: by a fifth to a half more in all than with these (docs/decisions/0106).
    - Biases become 32-bit integers in steps of the input's times the weights' scale. Where these would be too
      fine for a bias, the weights become coarser: such a channel hardly looks at its input.

    Args:
        quantized: what NNCF made.
        network: what it was made of, with the float weights.
    """
    import onnx

    done = deepcopy(quantized)
    floats, original = constants(network), layers(network)
    stored, made_by = constants(done), makers(done)
    new = _unsigned(done, stored)
    biases = []
    for name, node in layers(done).items():
        rounded = _weight_quantizer(node, made_by, stored)
        if rounded is None:
            continue
        weights, scale_O = floats[original[name].input[1]], stored[rounded.input[1]].reshape(-1)
        axis = attribute(rounded, "axis", 1)
        if np.abs(stored[rounded.input[0]].astype(np.int16)).max() <= _HALF_RANGE:
            scale_O = _largest(weights, axis) / _SEVEN_BITS
        step = _input_step(node, made_by, stored)
        bias_O = stored.get(node.input[2]) if len(node.input) > 2 else None
        if bias_O is not None and step is not None:
            scale_O = np.maximum(scale_O, np.abs(bias_O).astype(np.float64) / (step * _INT32_ROOM))
        # A channel of zeros has no range; a step of 1 keeps the division exact.
        scale_O = np.where(scale_O > 0, scale_O, 1).astype(np.float32)
        new |= {
            rounded.input[0]: _steps(weights, scale_O, axis),
            rounded.input[1]: scale_O,
            rounded.input[2]: np.zeros(scale_O.shape, np.int8),
        }
        if bias_O is not None and step is not None:
            bias_scale_O = (step * scale_O).astype(np.float32)
            steps_O = np.rint(bias_O / bias_scale_O.astype(np.float64)).astype(np.int32)
            names = [f"{name}/bias", f"{name}/bias_scale", f"{name}/bias_zero_point"]
            arrays = (steps_O, bias_scale_O, np.zeros(len(steps_O), np.int32))
            new |= dict(zip(names, arrays, strict=True))
            node.input[2] = f"{name}/bias_dequantized"
            biases.append(onnx.helper.make_node("DequantizeLinear", names, [node.input[2]], axis=0))
    nodes = [*biases, *done.graph.node]
    del done.graph.node[:], done.graph.value_info[:]
    done.graph.node.extend(nodes)
    set_constants(done, new)
    return pruned(done)


def for_onnx_runtime(quantized: "onnx.ModelProto") -> bytes:
    """The same function as ONNX Runtime takes it: layers with a range a channel get float weights.

    NNCF gives depthwise convolutions such inputs. ONNX Runtime would take them for integer convolutions,
    which have one range, and fail; with float weights it computes in float (docs/decisions/0046).
    """
    model = deepcopy(quantized)
    stored, made_by = constants(model), makers(model)
    new: dict[str, NDArray[Any]] = {}
    for name, node in layers(model).items():
        entering, rounded = made_by.get(node.input[0]), _weight_quantizer(node, made_by, stored)
        if entering is None or rounded is None:
            continue
        if entering.op_type == "DequantizeLinear" and stored[entering.input[1]].size > 1:
            steps, scale_O = stored[rounded.input[0]], stored[rounded.input[1]]
            node.input[1] = f"{name}/weights"
            scale = _along(scale_O, steps.ndim, attribute(rounded, "axis", 1))
            new[node.input[1]] = (steps * scale).astype(np.float32)
    set_constants(model, new)
    return encode_onnx(pruned(model))


def _weight_quantizer(
    layer: "onnx.NodeProto", made_by: "dict[str, onnx.NodeProto]", stored: dict[str, NDArray[Any]]
) -> "onnx.NodeProto | None":
    """The node that takes a layer's weights out of 8 bits; None for floats, and where both inputs move."""
    maker = made_by.get(layer.input[1])
    constant = maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in stored
    return maker if constant else None


def _unsigned(model: "onnx.ModelProto", stored: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Zero points of activations, with 128 added to those that are signed."""
    points = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    signed = [name for name in points if stored[name].dtype == np.int8]
    return {name: (stored[name].astype(np.int16) + 128).astype(np.uint8) for name in signed}


def _input_step(
    node: "onnx.NodeProto", made_by: "dict[str, onnx.NodeProto]", stored: dict[str, NDArray[Any]]
) -> float | None:
    """The step of a layer's input, as far as only operations that choose or move values stand between."""
    maker = made_by.get(node.input[0])
    while maker is not None and maker.op_type in _STEPS_KEPT:
        maker = made_by.get(maker.input[0])
    if maker is None or maker.op_type != "DequantizeLinear" or stored[maker.input[1]].size > 1:
        return None
    return float(stored[maker.input[1]].item())


def _largest(weights: NDArray[Any], axis: int) -> NDArray[np.float64]:
    by_channel = np.abs(np.moveaxis(weights, axis, 0)).reshape(weights.shape[axis], -1)
    largest_O: NDArray[np.float64] = by_channel.max(axis=1).astype(np.float64)
    return largest_O


def _steps(weights: NDArray[Any], scale_O: NDArray[np.float32], axis: int) -> NDArray[np.int8]:
    steps = np.rint(weights / _along(scale_O, weights.ndim, axis).astype(np.float64))
    return steps.clip(-127, 127).astype(np.int8)


def _along(scale_O: NDArray[Any], ndim: int, axis: int) -> NDArray[Any]:
    shape = [1] * ndim
    shape[axis] = -1
    return scale_O.reshape(shape)
