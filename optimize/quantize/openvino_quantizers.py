"""Read a quantized OpenVINO model: ranges of activations, 8-bit weights, corrected biases.

Shape suffixes: O output channels, I input channels of a group, G groups, kernels H x W.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import BundleError
from .subgraph import LAYER_TYPES

if TYPE_CHECKING:
    import openvino

_STEPS = 255
_ZERO_POINT_SLACK = 0.02
"""NNCF shifts a range until zero falls on a step; what float32 leaves of that is far below this."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Eight bits: value = scale * (step - zero_point), steps 0..255."""

    scale: NDArray[np.float32]
    """() for the whole tensor, or (C,)."""
    zero_point: NDArray[np.uint8]
    """Of the shape of `scale`."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A tensor on its way to operations, quantized or not."""

    names: frozenset[str]
    """What the tensor is called; several where OpenVINO dropped an operation that does nothing."""
    ends: frozenset[str]
    """The next named tensors, made from this one."""
    steps: Steps | None
    """None where the tensor travels in floating point."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or matrix product."""

    name: str
    """As in the PyTorch network."""
    weights: NDArray[np.int8] | None
    """As stored: (O, I, H, W), (G, O / G, I, H, W) or a matrix. None for a layer in floating point."""
    scale: NDArray[np.float32] | None
    """Broadcasts against `weights`."""
    bias: NDArray[np.float32] | None
    """(O,)."""


def tensor_names(model: "openvino.Model") -> frozenset[str]:
    """The names of all tensors of a model."""
    return frozenset(
        name for op in model.get_ordered_ops() for output in op.outputs() for name in output.get_names()
    )


def edges(model: "openvino.Model") -> list[Edge]:
    """The consumers of every named tensor, and in how many bits they take it.

    Raises:
        BundleError: a quantizer stands where no tensor has a name, or its range is not one of 8 bits.
    """
    found = []
    for operation in model.get_ordered_ops():
        for output in operation.outputs():
            names = frozenset(output.get_names())
            direct: set[str] = set()
            for target in output.get_target_inputs():
                node = target.get_node()
                if node.get_type_name() != "FakeQuantize":
                    direct |= _ends(node)
                elif target.get_index() == 0:
                    if not names:
                        raise BundleError(
                            f"the quantizer {node.get_friendly_name()} follows a tensor that model.onnx does "
                            "not have; quantize for the engine openvino alone"
                        )
                    ends = _ends(node)
                    found.append(Edge(names=names, ends=frozenset(ends), steps=_steps(node)))
            if names and direct:
                found.append(Edge(names=names, ends=frozenset(direct), steps=None))
    return found


def layers_of(model: "openvino.Model") -> Iterator[Layer]:
    """The convolutions and matrix products that have weights of their own."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() not in LAYER_TYPES:
            continue
        stored = _stored_weights(operation)
        if stored is None:
            continue
        name, bias = _bias(operation)
        weights, scale = stored
        yield Layer(name=name, weights=weights, scale=scale, bias=bias)


def _ends(node: Any) -> set[str]:
    """The first named tensors behind an operation."""
    found: set[str] = set()
    for output in node.outputs():
        if output.get_names() and node.get_type_name() != "FakeQuantize":
            found |= output.get_names()
            continue
        for target in output.get_target_inputs():
            found |= _ends(target.get_node())
    return found


def _steps(quantizer: Any) -> Steps:
    name = quantizer.get_friendly_name()
    low, high, low_out, high_out = (_constant(quantizer, port) for port in range(1, 5))
    if low is None or high is None or low_out is None or high_out is None:
        raise BundleError(f"the range of the quantizer {name} is computed; quantize again with this xopt")
    alike = np.array_equal(low, low_out) and np.array_equal(high, high_out)
    if not alike or quantizer.get_attributes()["levels"] != _STEPS + 1:
        raise BundleError(
            f"the quantizer {name} is not one of 256 equal steps; quantize again with this xopt"
        )
    low, high = np.broadcast_arrays(low.astype(np.float64), high.astype(np.float64))
    scale = (high - low) / _STEPS
    exact = -low / scale
    zero_point = np.rint(exact)
    inside = zero_point.min() >= 0 and zero_point.max() <= _STEPS
    if not inside or np.abs(exact - zero_point).max() > _ZERO_POINT_SLACK:
        raise BundleError(f"the quantizer {name} has no step for zero; quantize again with this xopt")
    shape = () if scale.size == 1 else (scale.size,)
    return Steps(
        scale=scale.astype(np.float32).reshape(shape), zero_point=zero_point.astype(np.uint8).reshape(shape)
    )


def _stored_weights(layer: Any) -> tuple[NDArray[np.int8] | None, NDArray[np.float32] | None] | None:
    """Weights and scale, a pair of None for weights in floating point, None for a product without weights."""
    node = layer.input_value(1).get_node()
    if node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()
    if node.get_type_name() == "Constant":
        return None, None
    if node.get_type_name() != "Multiply":
        return None
    convert, scale = node.input_value(0).get_node(), _constant(node, 1)
    if convert.get_type_name() != "Convert" or scale is None:
        return None
    weights = _constant(convert, 0)
    if weights is None or weights.dtype != np.int8:
        raise BundleError(
            f"the weights of {layer.get_friendly_name()} are not signed 8-bit integers around zero; "
            "quantize again with this xopt"
        )
    return weights, scale.astype(np.float32)


def _bias(layer: Any) -> tuple[str, NDArray[np.float32] | None]:
    """A layer's own name, and the constant that OpenVINO adds to it by a second operation of that name."""
    name = layer.get_friendly_name()
    own = name.removesuffix("/WithoutBiases")
    # OpenVINO drops a bias of zeros; the product's output is then what the layer's was.
    if own == name or layer.output(0).get_names():
        return own, None
    for target in layer.output(0).get_target_inputs():
        node = target.get_node()
        if node.get_type_name() == "Add" and node.get_friendly_name() == own:
            constant = _constant(node, 1)
            if constant is not None:
                return own, constant.astype(np.float32).reshape(-1)
    raise BundleError(f"layer {own} has lost its bias; quantize again with this xopt")


def _constant(node: Any, port: int) -> NDArray[Any] | None:
    source = node.input_value(port).get_node()
    return np.array(source.data) if source.get_type_name() == "Constant" else None
