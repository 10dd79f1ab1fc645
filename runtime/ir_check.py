"""A bundle's graph, checked before OpenVINO sees it: OpenVINO checks bounds, and crashes on some of the rest.

Digests say that a bundle is the one that was written; this says that what was written is a graph of the kind
that xopt writes. In its order: `check_graph` (no OpenVINO needed), `check_ports` against the manifest, and,
once OpenVINO has read the graph and before it compiles it, `check_inferred`.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BundleError
from .ir_rules import ELEMENT_BYTES, PORT_TYPES, RULES, Rule
from .ir_text import Graph, Layer, Tensor, malformed, read_graph
from .manifest import Port

if TYPE_CHECKING:
    import openvino

MAX_TENSOR_BYTES = 512 * 1024 * 1024
"""The largest tensor of DenseNet-121's ten crops has 32 MiB."""
MAX_RANK = 8
MAX_CHAIN = 100
"""Elementwise layers in a row. OpenVINO fuses such a chain in time that grows with its cube: 1.2 s for 500
layers, 29 s for 2,000. DenseNet-121 in INT8 has 5."""
_FOLDED_PER_WEIGHT = 16
"""What constants alone may grow to when OpenVINO computes it at load, per byte of model.bin: 8-bit weights
become 4 bytes when they are converted and 4 more when they are scaled."""
_FOLDED_BYTES = 16 * 1024 * 1024
_PORT_BYTES = {precision: ELEMENT_BYTES[kind] for precision, kind in PORT_TYPES.items()}
_NUMPY_TYPES = {
    "f32": "float32",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "i8": "int8",
    "u8": "uint8",
}

Sources = dict[tuple[int, int], Layer]
"""The layer that feeds an input, by layer and port."""


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
    for place, layer in enumerate(graph.layers):
        # In ascending order without gaps, so that an edge to a later layer is an edge to a higher number.
        if layer.id != place:
            raise malformed(f"layer {place} has the number {layer.id}")
        if layer.name in names:
            raise malformed(f"two layers are named {layer.name[:80]!r}")
        names.add(layer.name)
        _check_layer(layer)
        if layer.type == "Const":
            _check_constant(layer, len(weights))
    kinds = {layer.type for layer in graph.layers}
    if missing := [kind for kind in ("Parameter", "Result") if kind not in kinds]:
        raise malformed(f"it has no {missing[0]}")
    sources = _check_edges(graph)
    _check_settings(graph, sources, weights)
    _check_folding(graph, sources, len(weights))
    _check_chains(graph)
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
            raise malformed(f"OpenVINO made no layer of {_named(layer)}")
        for index, tensor in enumerate(layer.outputs):
            if tensor.shape not in shapes:
                shapes[tensor.shape] = ov.PartialShape(list(tensor.shape))
            found = operation.get_output_partial_shape(index)
            kind = operation.get_output_element_type(index)
            if found != shapes[tensor.shape] or kind != types[PORT_TYPES[tensor.precision]]:
                raise malformed(
                    f"{_named(layer)} claims {tensor.precision} {list(tensor.shape)}, and would give "
                    f"{kind.get_type_name()} {found}"
                )


def _check_layer(layer: Layer) -> None:
    rule = RULES.get((layer.type, layer.version))
    if rule is None:
        raise malformed(f"{_named(layer)} is {layer.type} of {layer.version}, which no bundle needs")
    for key, value in layer.data.items():
        pattern = rule.data.get(key)
        if pattern is None or not pattern.fullmatch(value):
            raise malformed(f"{_named(layer)} sets {key} to {value[:40]!r}")
    if (layer.type == "Result") != bool(layer.output_names):
        raise malformed(f"{_named(layer)} has the output names {list(layer.output_names)}")
    _check_tensors(layer, rule)


def _check_tensors(layer: Layer, rule: Rule) -> None:
    count, made = len(layer.inputs), len(layer.outputs)
    if not (rule.inputs[0] <= count <= rule.inputs[1] and rule.outputs[0] <= made <= rule.outputs[1]):
        raise malformed(f"{_named(layer)} has {count} inputs and {made} outputs")
    for port, tensor in enumerate(layer.inputs + layer.outputs):
        if tensor.port != port:
            raise malformed(f"{_named(layer)} numbers port {port} as {tensor.port}")
        if tensor.precision not in PORT_TYPES:
            raise malformed(f"{_named(layer)} has the element type {tensor.precision!r}")
        if len(tensor.shape) > MAX_RANK or 0 in tensor.shape or _bytes(tensor) > MAX_TENSOR_BYTES:
            raise malformed(f"{_named(layer)} has a tensor of {list(tensor.shape)}")
    if rule.same_shape and layer.inputs[0].shape != layer.outputs[0].shape:
        raise malformed(f"{_named(layer)} changes a shape, which {layer.type} does not do")
    claimed = layer.data.get("element_type") or layer.data.get("destination_type")
    if claimed and PORT_TYPES[layer.outputs[0].precision] != claimed:
        raise malformed(f"{_named(layer)} is {claimed}, and its output {layer.outputs[0].precision}")
    if layer.type in ("Parameter", "Const") and _shape(layer) != layer.outputs[0].shape:
        raise malformed(f"{_named(layer)} has the shape {_shape(layer)}, its output {layer.outputs[0].shape}")


def _check_constant(layer: Layer, available: int) -> None:
    if missing := sorted({"element_type", "shape", "offset", "size"} - set(layer.data)):
        raise malformed(f"{_named(layer)} has no {missing[0]}")
    offset, size = int(layer.data["offset"]), int(layer.data["size"])
    if offset + size > available:
        raise malformed(f"{_named(layer)} ends at byte {offset + size} of model.bin, which has {available}")
    if size != _bytes(layer.outputs[0]):
        raise malformed(f"{_named(layer)} takes {size} bytes, its shape needs {_bytes(layer.outputs[0])}")


def _check_edges(graph: Graph) -> Sources:
    sources: Sources = {}
    layers, count = graph.layers, len(graph.layers)
    feeding: set[int] = set()
    for source, source_port, target, target_port in graph.edges:
        # Forward only, so that no cycle can be; OpenVINO writes layers in that order.
        if not source < target < count:
            raise malformed(f"an edge leads from layer {source} to layer {target} of {count}")
        giver, taker = layers[source], layers[target]
        out = source_port - len(giver.inputs)
        if not 0 <= out < len(giver.outputs) or target_port >= len(taker.inputs):
            raise malformed(
                f"an edge leads from port {source_port} of {_named(giver)} to port {target_port} of "
                f"{_named(taker)}"
            )
        if (target, target_port) in sources:
            raise malformed(f"two edges lead to port {target_port} of {_named(taker)}")
        given, taken = giver.outputs[out], taker.inputs[target_port]
        if given.shape != taken.shape or given.precision != taken.precision:
            raise malformed(
                f"{_named(giver)} gives {given.precision} {list(given.shape)} where {_named(taker)} takes "
                f"{taken.precision} {list(taken.shape)}"
            )
        sources[target, target_port] = giver
        feeding.add(source)
    if len(sources) != sum(len(layer.inputs) for layer in layers):
        raise malformed("an input of a layer has no edge")
    for layer in layers:
        if layer.id not in feeding and layer.type != "Result":
            raise malformed(f"nothing takes what {_named(layer)} gives")
    return sources


def _check_settings(graph: Graph, sources: Sources, weights: bytes) -> None:
    """What decides about shapes is known without computing much: OpenVINO works it out while it reads."""
    known: set[int] = set()
    for layer in graph.layers:
        feeding = [sources[layer.id, port] for port in range(len(layer.inputs))]
        for port in RULES[layer.type, layer.version].constants:
            if port < len(feeding) and feeding[port].id not in known:
                raise malformed(f"input {port} of {_named(layer)} is not constant, so its shape is not fixed")
        if layer.type == "Gather":
            _check_indices(layer, feeding[1], feeding[2], weights)
        if layer.type == "Const" or (
            all(one.id in known for one in feeding) and _is_plain(layer) and layer.type != "Parameter"
        ):
            known.add(layer.id)


def _is_plain(layer: Layer) -> bool:
    """Whether a layer's claimed shape is seen to be right: a list converted, joined or picked from."""
    if layer.type == "Convert":
        return True
    if any(len(tensor.shape) != 1 for tensor in layer.inputs[: None if layer.type == "Concat" else 1]):
        return False
    if layer.type == "Concat":
        return layer.outputs[0].shape == (sum(tensor.shape[0] for tensor in layer.inputs),)
    return layer.type == "Gather" and layer.outputs[0].shape == layer.inputs[1].shape


def _check_indices(layer: Layer, indices: Layer, axis: Layer, weights: bytes) -> None:
    """OpenVINO reads a Gather's indices as they are, whatever they point at."""
    shape = layer.inputs[0].shape
    along = _values(axis, weights)
    if along.size != 1 or not -len(shape) <= along[0] < len(shape):
        raise malformed(f"{_named(layer)} gathers along axis {along.tolist()[:9]} of {len(shape)}")
    length, picked = shape[int(along[0])], _values(indices, weights)
    if picked.min() < -length or picked.max() >= length:
        raise malformed(f"{_named(layer)} picks {picked.min()} to {picked.max()} of {length}")


def _values(constant: Layer, weights: bytes) -> "np.ndarray[Any, np.dtype[Any]]":
    kind = constant.data.get("element_type", "")
    if constant.type != "Const" or kind not in ("i64", "i32"):
        raise malformed(f"{_named(constant)} holds no whole numbers to pick by")
    count = constant.outputs[0].elements
    return np.frombuffer(weights, _NUMPY_TYPES[kind], count=count, offset=int(constant.data["offset"]))


def _check_folding(graph: Graph, sources: Sources, available: int) -> None:
    """A few bytes of constants may not unfold to gigabytes when OpenVINO computes with them at load."""
    constant: set[int] = set()
    folded, limit = 0, _FOLDED_PER_WEIGHT * available + _FOLDED_BYTES
    for layer in graph.layers:
        if layer.type == "Const":
            constant.add(layer.id)
            continue
        fed = (sources[layer.id, port].id for port in range(len(layer.inputs)))
        if layer.inputs and constant.issuperset(fed):
            constant.add(layer.id)
            folded += sum(map(_bytes, layer.outputs))
    if folded > limit:
        raise malformed(f"its constants unfold to {folded} bytes, allowed are {limit}")


def _check_chains(graph: Graph) -> None:
    """Nothing that takes minutes to compile: see MAX_CHAIN."""
    lengths = [0] * len(graph.layers)
    for source, _, target, _ in sorted(graph.edges, key=itemgetter(0)):
        layer = graph.layers[target]
        if RULES[layer.type, layer.version].elementwise:
            lengths[target] = max(lengths[target], lengths[source] + 1)
    if max(lengths) > MAX_CHAIN:
        raise malformed(f"it has {max(lengths)} elementwise layers in a row, allowed are {MAX_CHAIN}")


def _bytes(tensor: Tensor) -> int:
    return tensor.elements * _PORT_BYTES[tensor.precision]


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple(int(side) for side in layer.data.get("shape", "").split(",") if side.strip())


def _port(tensor: Tensor) -> Port:
    kind = PORT_TYPES[tensor.precision]
    return Port(
        name=tensor.names[0] if tensor.names else "", shape=tensor.shape, dtype=_NUMPY_TYPES.get(kind, kind)
    )


def _named(layer: Layer) -> str:
    return f"layer {layer.name[:80]!r}"


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(f"{p.name!r} {p.dtype} {list(p.shape)}" for p in ports) or "none"
