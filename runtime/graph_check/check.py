"""A bundle's graph, checked before OpenVINO sees it: OpenVINO checks bounds, and crashes on some of the rest.

Digests say that a bundle is the one that was written; this says that what was written is a graph of the kind
that xopt writes. In its order: `check_graph` (no OpenVINO needed), `check_ports` against the manifest, and,
once OpenVINO has read the graph and before it compiles it, `check_inferred`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..bundle.manifest import Port
from ..errors import BundleError
from .flow import check_flow
from .rules import ELEMENT_BYTES, NUMPY_TYPES, PORT_TYPES, RULES, Rule, tensor_bytes
from .text import Graph, Layer, Tensor, malformed, named, read_graph

if TYPE_CHECKING:
    import openvino

MAX_TENSOR_BYTES = 512 * 1024 * 1024
"""The largest tensor of DenseNet-121's ten crops has 32 MiB."""
MAX_RANK = 8


def check_graph(xml: bytes, weights: bytes) -> Graph:
    """Check an IR without OpenVINO.

    Args:
        xml: the content of model.xml.
        weights: the content of model.bin.

    Returns:
        The graph: layers in an order in which each stands behind those that feed it, every operation known,
        every tensor of fixed size, every constant inside of `weights`.

    Raises:
        BundleError: it is none.
    """
    graph = read_graph(xml)
    names: set[str] = set()
    seen: set[tuple[int, int]] = set()
    for place, layer in enumerate(graph.layers):
        # In ascending order without gaps, so that an edge to a later layer is an edge to a higher number.
        if layer.id != place:
            raise malformed(f"layer {place} has the number {layer.id}")
        if layer.name in names:
            raise malformed(f"two layers are named {layer.name[:80]!r}")
        names.add(layer.name)
        _check_layer(layer, seen)
        if layer.type == "Const":
            _check_constant(layer, len(weights))
    kinds = {layer.type for layer in graph.layers}
    if missing := [kind for kind in ("Parameter", "Result") if kind not in kinds]:
        raise malformed(f"it has no {missing[0]}")
    check_flow(graph, weights)
    return graph


def graph_ports(graph: Graph) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """A graph's inputs and outputs, with the first name of each."""
    inputs = [layer.outputs[0] for layer in graph.layers if layer.type == "Parameter"]
    outputs = [
        layer.inputs[0]._replace(names=layer.output_names) for layer in graph.layers if layer.type == "Result"
    ]
    return tuple(map(_port, inputs)), tuple(map(_port, outputs))


def check_ports(graph: Graph, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Check that a graph has the inputs and outputs that its manifest promises, in order, and no others.

    Raises:
        BundleError: it has others, or of another name, shape or type.
    """
    for side, found, promised in zip(
        ("inputs", "outputs"), graph_ports(graph), (inputs, outputs), strict=True
    ):
        if found != tuple(promised):
            raise BundleError(
                f"the graph has the {side} {_listed(found)}, its manifest says {_listed(promised)}; "
                "export the bundle again"
            )


def check_inferred(graph: Graph, model: "openvino.Model", ov: Any) -> None:
    """Check that OpenVINO found the very layers, types and shapes that the XML claims.

    OpenVINO works shapes out anew and ignores those in the XML; a claim that is wrong would have passed the
    limits of `check_graph` for another graph than the one that is compiled.

    Raises:
        BundleError: it found others.
    """
    operations = {operation.get_friendly_name(): operation for operation in model.get_ops()}
    if len(operations) != len(graph.layers):
        raise malformed(f"it lists {len(graph.layers)} layers, OpenVINO made {len(operations)} of them")
    # Taking a shape apart in Python is slow; comparing two of OpenVINO's is not.
    shapes: dict[tuple[int, ...], Any] = {}
    types = {kind: getattr(ov.Type, kind) for kind in ELEMENT_BYTES}
    for layer in graph.layers:
        operation = operations.get(layer.name)
        if operation is None:
            raise malformed(f"OpenVINO made no layer of {named(layer)}")
        for index, tensor in enumerate(layer.outputs):
            if tensor.shape not in shapes:
                shapes[tensor.shape] = ov.PartialShape(list(tensor.shape))
            found = operation.get_output_partial_shape(index)
            kind = operation.get_output_element_type(index)
            if found != shapes[tensor.shape] or kind != types[PORT_TYPES[tensor.precision]]:
                raise malformed(
                    f"{named(layer)} claims {tensor.precision} {list(tensor.shape)}, and would give "
                    f"{kind.get_type_name()} {found}"
                )


def _check_layer(layer: Layer, seen: set[tuple[int, int]]) -> None:
    rule = RULES.get((layer.type, layer.version))
    if rule is None:
        raise malformed(f"{named(layer)} is {layer.type} of {layer.version}, which no bundle needs")
    for key, value in layer.data.items():
        pattern = rule.data.get(key)
        if pattern is None or not pattern.fullmatch(value):
            raise malformed(f"{named(layer)} sets {key} to {value[:40]!r}")
    if (layer.type == "Result") != bool(layer.output_names):
        raise malformed(f"{named(layer)} has the output names {list(layer.output_names)}")
    # Ports that are spelled alike are one object, to be looked at once.
    for tensors, first in ((layer.inputs, 0), (layer.outputs, len(layer.inputs))):
        if (id(tensors), first) not in seen:
            seen.add((id(tensors), first))
            _check_sizes(layer, tensors, first)
    _check_tensors(layer, rule)


def _check_sizes(layer: Layer, tensors: tuple[Tensor, ...], first: int) -> None:
    for port, tensor in enumerate(tensors, first):
        if tensor.port != port:
            raise malformed(f"{named(layer)} numbers port {port} as {tensor.port}")
        if tensor.precision not in PORT_TYPES:
            raise malformed(f"{named(layer)} has the element type {tensor.precision!r}")
        if len(tensor.shape) > MAX_RANK or 0 in tensor.shape or tensor_bytes(tensor) > MAX_TENSOR_BYTES:
            raise malformed(f"{named(layer)} has a tensor of {list(tensor.shape)}")


def _check_tensors(layer: Layer, rule: Rule) -> None:
    count, made = len(layer.inputs), len(layer.outputs)
    if not (rule.inputs[0] <= count <= rule.inputs[1] and rule.outputs[0] <= made <= rule.outputs[1]):
        raise malformed(f"{named(layer)} has {count} inputs and {made} outputs")
    if rule.same_shape and layer.inputs[0].shape != layer.outputs[0].shape:
        raise malformed(f"{named(layer)} changes a shape, which {layer.type} does not do")
    claimed = layer.data.get("element_type") or layer.data.get("destination_type")
    if claimed and PORT_TYPES[layer.outputs[0].precision] != claimed:
        raise malformed(f"{named(layer)} is {claimed}, and its output {layer.outputs[0].precision}")
    if layer.type in ("Parameter", "Const") and _shape(layer) != layer.outputs[0].shape:
        raise malformed(f"{named(layer)} has the shape {_shape(layer)}, its output {layer.outputs[0].shape}")


def _check_constant(layer: Layer, available: int) -> None:
    if missing := sorted({"element_type", "shape", "offset", "size"} - set(layer.data)):
        raise malformed(f"{named(layer)} has no {missing[0]}")
    offset, size = int(layer.data["offset"]), int(layer.data["size"])
    if offset + size > available:
        raise malformed(f"{named(layer)} ends at byte {offset + size} of model.bin, which has {available}")
    if size != tensor_bytes(layer.outputs[0]):
        raise malformed(
            f"{named(layer)} takes {size} bytes, its shape needs {tensor_bytes(layer.outputs[0])}"
        )


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple(int(side) for side in layer.data.get("shape", "").split(",") if side.strip())


def _port(tensor: Tensor) -> Port:
    kind = PORT_TYPES[tensor.precision]
    return Port(
        name=tensor.names[0] if tensor.names else "", shape=tensor.shape, dtype=NUMPY_TYPES.get(kind, kind)
    )


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(f"{p.name!r} {p.dtype} {list(p.shape)}" for p in ports) or "none"
