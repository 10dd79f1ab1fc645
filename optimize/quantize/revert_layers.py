"""The parts of a quantized network that can be returned to floating point one by one.

A part is a layer with what rounds its weights and its input, or what rounds a layer's output on its way to
operations that are no layers (`features.conv0/output`). A part that goes back takes its weights and bias
from the FP32 network; everything else stays as it was calibrated.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...runtime.errors import BundleError, UsageError
from ...runtime.schema import nearest
from .network import LAYER_TYPES, attribute, constants, layers, makers, pruned, set_constants, shape_of

if TYPE_CHECKING:
    import onnx

OUTPUT = "/output"
"""After the name of a layer: what rounds its output for concatenations, sums and poolings."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A layer or a layer's output, as far as it is in 8 bits."""

    name: str
    """The layer's, as in PyTorch; with OUTPUT behind it for its output alone."""
    macs: int
    """Multiply-accumulates of one view; 0 for an output, and in a graph that was not cut."""
    is_layer: bool
    ports: tuple[tuple[str, int], ...]
    """Inputs, by what the node makes and number, that take a rounded value."""


def parts(quantized: "onnx.ModelProto") -> tuple[Part, ...]:
    """Everything in 8 bits in a quantized graph or network, in its order; no layer of an FP32 graph."""
    quantizers = _Quantizers(quantized)
    found: list[Part] = []
    taken: set[tuple[str, int]] = set()
    by_name = layers(quantized)
    for name, node in by_name.items():
        if quantizers.rounds(node.input[1]) and not quantizers.rounds_activation(node.input[1]):
            ports = tuple(quantizers.above(node))
            taken |= set(ports)
            macs = quantizers.macs(quantized, node)
            found.append(Part(name=name, macs=macs, is_layer=True, ports=ports))
    outputs: dict[str, list[tuple[str, int]]] = {}
    for node in quantized.graph.node:
        for index, value in enumerate(node.input):
            port = (node.output[0], index)
            if port not in taken and quantizers.rounds_activation(value):
                outputs.setdefault(f"{quantizers.origin(value)}{OUTPUT}", []).append(port)
    found += [Part(name=name, macs=0, is_layer=False, ports=tuple(ports)) for name, ports in outputs.items()]
    order = {node.output[0]: number for number, node in enumerate(quantized.graph.node)}

    def place(part: Part) -> int:
        return order[by_name[part.name].output[0] if part.is_layer else part.ports[0][0]]

    return tuple(sorted(found, key=place))


def return_layers(
    parent: "onnx.ModelProto", quantized: "onnx.ModelProto", names: Iterable[str]
) -> "onnx.ModelProto":
    """A copy of a quantized graph with some parts in floating point, without a new calibration.

    Args:
        parent: the FP32 graph that `quantized` was made from; both whole, or both cut out.
        quantized: left as it is.
        names: of parts, layers as in PyTorch (`features.conv0`) or outputs (`features.conv0/output`).

    Raises:
        UsageError: a name that is no part; the message holds the nearest.
        BundleError: `parent` is not the graph that was quantized.
    """
    known = {part.name: part for part in parts(quantized)}
    changed = deepcopy(quantized)
    quantizers, mine, theirs = _Quantizers(changed), layers(changed), layers(parent)
    nodes, stored = makers(changed), constants(parent)
    floats: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(names):
        if name not in known:
            raise UsageError(f"nothing called {name!r} is in 8 bits in this graph{nearest(name, known)}")
        for made, index in known[name].ports:
            nodes[made].input[index] = quantizers.quantizer(nodes[made].input[index]).input[0]
        if known[name].is_layer:
            original = theirs[name].input[1:] if name in theirs else []
            if not original or any(value not in stored for value in original):
                raise BundleError(
                    f"layer {name} is another one in the FP32 graph; give the bundle it was made from"
                )
            mine[name].input[1:] = original
            floats |= {value: stored[value] for value in original}
    set_constants(changed, floats)
    return pruned(changed)


class _Quantizers:
    """Look-ups of the quantizers in a graph."""

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._makers, self._constants = makers(model), constants(model)
        self._takers = Counter(value for node in model.graph.node for value in node.input)

    def rounds(self, value: str) -> bool:
        """True if a value comes out of 8 bits, a constant or an activation."""
        return value in self._makers and self._makers[value].op_type == "DequantizeLinear"

    def rounds_activation(self, value: str) -> bool:
        """True if a value is an activation that was rounded."""
        return self.rounds(value) and self._makers[value].input[0] not in self._constants

    def quantizer(self, value: str) -> "onnx.NodeProto":
        """The node that rounds an activation."""
        return self._makers[self._makers[value].input[0]]

    def macs(self, quantized: "onnx.ModelProto", layer: "onnx.NodeProto") -> int:
        """Multiply-accumulates of one layer, by the shapes of what it makes and of its weights."""
        weights = self._constants[self._makers[layer.input[1]].input[0]].shape
        # Kernels are (out, in a group, height, width), matrices (in, out) or transposed.
        inputs = -1 if attribute(layer, "transB", 0) else -2
        each = prod(weights[1:]) if layer.op_type == "Conv" else weights[inputs]
        return prod(shape_of(quantized, layer.output[0]) or (0,)) * each

    def above(self, layer: "onnx.NodeProto") -> Iterator[tuple[str, int]]:
        """The inputs that take a rounded value, from a layer upwards as far as they serve it alone."""
        following: tuple[onnx.NodeProto, int] | None = (layer, 0)
        while following is not None:
            node, index = following
            value = node.input[index]
            shared = self._takers[value] > 1
            if self.rounds_activation(value):
                yield node.output[0], index
                following = (self.quantizer(value), 0)
                shared |= self._takers[self.quantizer(value).output[0]] > 1
            else:
                following = self._only_input(value)
            if shared:
                return

    def origin(self, value: str) -> str:
        """The layer that a rounded value comes from, or the operation where it is not one layer's."""
        while True:
            if self.rounds_activation(value):
                value = self.quantizer(value).input[0]
            node = self._makers.get(value)
            if node is None:
                return value
            following = self._only_input(value)
            if following is None:
                return node.name or value
            value = node.input[following[1]]

    def _only_input(self, value: str) -> "tuple[onnx.NodeProto, int] | None":
        """The one moving input of what makes a value; None for a layer, a junction or an entrance."""
        node = self._makers.get(value)
        if node is None or node.op_type in LAYER_TYPES:
            return None
        moving = [index for index, name in enumerate(node.input) if name and name not in self._constants]
        return (node, moving[0]) if len(moving) == 1 else None
