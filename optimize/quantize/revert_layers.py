"""The parts of a quantized network that can be returned to floating point one by one.

A part is a layer with what rounds its weights and its input, or what rounds a layer's output on its way to
operations that are no layers (`features.conv0/output`). A part that goes back takes its weights and bias
from the FP32 network; everything else stays as it was calibrated.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod
from typing import TYPE_CHECKING, Any

from ...runtime.backends.openvino import import_openvino
from ...runtime.errors import BundleError, UsageError
from .subgraph import LAYER_TYPES

if TYPE_CHECKING:
    import openvino

OUTPUT = "/output"
"""After the name of a layer: what rounds its output for concatenations, sums and poolings."""
_BIASLESS = "/WithoutBiases"
_CONSTANT_DEPTH = 6


@dataclass(frozen=True, kw_only=True)
class Part:
    """A layer or a layer's output, as far as it is in 8 bits."""

    name: str
    """The layer's, as in PyTorch; with OUTPUT behind it for its output alone."""
    macs: int
    """Multiply-accumulates of one view; 0 for an output."""
    operation: str | None
    """The layer's operation in the graph; None for an output."""
    ports: tuple[tuple[str, int], ...]
    """Inputs, by operation and number, that take a rounded value."""


def parts(quantized: "openvino.Model") -> tuple[Part, ...]:
    """Everything in 8 bits in a quantized graph or network, in its order; no layer of an FP32 graph."""
    layers: list[Part] = []
    taken: set[tuple[str, int]] = set()
    for operation in quantized.get_ordered_ops():
        if operation.get_type_name() in LAYER_TYPES and _eight_bits(operation):
            ports = tuple(_rounded_inputs(operation))
            taken |= set(ports)
            layers.append(
                Part(
                    name=_layer_name(operation),
                    macs=layer_macs(operation),
                    operation=operation.get_friendly_name(),
                    ports=ports,
                )
            )
    return _in_order(quantized, [*layers, *_outputs(quantized, taken)])


def return_layers(
    parent: "openvino.Model", quantized: "openvino.Model", names: Iterable[str]
) -> "openvino.Model":
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
    chosen = [_known(known, name) for name in dict.fromkeys(names)]
    changed = quantized.clone()
    mine, theirs = _by_name(changed), _by_name(parent)
    for part in chosen:
        for operation, number in part.ports:
            port = mine[operation].input(number)
            port.replace_source_output(port.get_source_output().get_node().input_value(0))
        if part.operation is not None:
            if part.operation not in theirs:
                raise BundleError(
                    f"the FP32 graph has no layer {part.name}; give the bundle it was made from"
                )
            _restore(mine[part.operation], theirs[part.operation])
    changed.validate_nodes_and_infer_types()
    return changed


def layer_macs(operation: Any) -> int:
    """Multiply-accumulates of one convolution or matrix product."""
    outputs = prod(operation.output(0).shape)
    if operation.get_type_name() == "MatMul":
        left = operation.input_value(0).shape
        return int(outputs * left[-2 if operation.get_attributes()["transpose_a"] else -1])
    # Kernels are (out, in, height, width), with the group in front where there are groups.
    kernel = operation.input_value(1).shape
    return int(outputs * prod(kernel[2 if operation.get_type_name() == "GroupConvolution" else 1 :]))


def _known(known: dict[str, Part], name: str) -> Part:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1, cutoff=0.3)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"nothing called {name!r} is in 8 bits in this graph{guess}")


def _outputs(quantized: "openvino.Model", taken: set[tuple[str, int]]) -> list[Part]:
    """Tensors that no layer takes as its input, by the layer that they come from."""
    found: dict[str, list[tuple[str, int]]] = {}
    for quantizer in quantized.get_ordered_ops():
        if quantizer.get_type_name() != "FakeQuantize":
            continue
        rest = [
            (target.get_node().get_friendly_name(), target.get_index())
            for target in quantizer.output(0).get_target_inputs()
        ]
        rest = sorted(set(rest) - taken)
        if rest:
            found.setdefault(f"{_origin(quantizer)}{OUTPUT}", []).extend(rest)
    return [Part(name=name, macs=0, operation=None, ports=tuple(ports)) for name, ports in found.items()]


def _in_order(quantized: "openvino.Model", found: Sequence[Part]) -> tuple[Part, ...]:
    place = {operation.get_friendly_name(): i for i, operation in enumerate(quantized.get_ordered_ops())}
    return tuple(sorted(found, key=lambda part: place[part.operation or part.ports[0][0]]))


def _rounded_inputs(layer: Any) -> Iterator[tuple[str, int]]:
    """The inputs that take a rounded value, from a layer upwards as far as they serve it alone."""
    port = layer.input(0)
    while True:
        source = port.get_source_output()
        node = source.get_node()
        if node.get_type_name() == "FakeQuantize":
            yield port.get_node().get_friendly_name(), port.get_index()
            following = node.input(0)
        else:
            following = _only_input(node)
        if following is None or len(source.get_target_inputs()) > 1:
            return
        port = following


def _origin(quantizer: Any) -> str:
    """The layer whose output is rounded, or the operation where it is not one layer's."""
    port = quantizer.input(0)
    while True:
        node = port.get_source_output().get_node()
        if node.get_type_name() in LAYER_TYPES:
            return _layer_name(node)
        following = _only_input(node)
        if following is None:
            name: str = port.get_source_output().get_node().get_friendly_name()
            return name
        port = following


def _only_input(node: Any) -> Any | None:
    """The one input of an operation that is not constant; None for a layer, a junction or an entrance."""
    if node.get_type_name() in LAYER_TYPES:
        return None
    moving = [port for port in node.inputs() if not _constant(port.get_source_output().get_node())]
    return moving[0] if len(moving) == 1 else None


def _constant(node: Any, depth: int = _CONSTANT_DEPTH) -> bool:
    if node.get_type_name() == "Constant":
        return True
    sources = [port.get_source_output().get_node() for port in node.inputs()]
    return bool(sources) and depth > 0 and all(_constant(source, depth - 1) for source in sources)


def _weights_port(layer: Any) -> Any:
    """The input by which weights enter, before they are put into groups."""
    node = layer.input_value(1).get_node()
    return node.input(0) if node.get_type_name() == "Reshape" else layer.input(1)


def _eight_bits(layer: Any) -> bool:
    node = _weights_port(layer).get_source_output().get_node()
    return bool(node.get_type_name() == "Multiply" and _constant(node))


def _restore(layer: Any, original: Any) -> None:
    for mine, theirs in zip(_constants_of(layer), _constants_of(original), strict=True):
        source = theirs.get_source_output()
        node = source.get_node()
        if node.get_type_name() != "Constant" or mine.get_source_output().shape != source.shape:
            raise BundleError(
                f"layer {_layer_name(layer)} is another one in the FP32 graph; give the bundle it was made "
                "from"
            )
        # A copy: graphs must not share operations.
        constant = import_openvino().opset13.constant(node.data.copy(), dtype=node.get_element_type())
        # The head's weights stand in the graph a second time, under their own name.
        constant.set_friendly_name(f"{mine.get_node().get_friendly_name()}/returned_{mine.get_index()}")
        mine.replace_source_output(constant.output(0))


def _constants_of(layer: Any) -> list[Any]:
    """The ports of a layer's weights and, where there is one, of its bias."""
    ports = [_weights_port(layer)]
    own = _layer_name(layer)
    for target in layer.output(0).get_target_inputs():
        node = target.get_node()
        if node.get_type_name() == "Add" and node.get_friendly_name() == own:
            ports.append(node.input(1))
    return ports


def _layer_name(layer: Any) -> str:
    name: str = layer.get_friendly_name()
    return name.removesuffix(_BIASLESS)


def _by_name(model: "openvino.Model") -> dict[str, Any]:
    return {operation.get_friendly_name(): operation for operation in model.get_ordered_ops()}
