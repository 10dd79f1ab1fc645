"""Checks of the flow of values through a graph: every edge, and what must be known before any image comes."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .rules import NUMPY_TYPES, RULES, tensor_bytes
from .text import Graph, Layer, malformed, named

MAX_CHAIN = 100
"""Elementwise layers in a row. OpenVINO fuses such a chain in time that grows faster than its square: 1.2 s
for 500 layers, 29 s for 2,000. The longest of DenseNet-121 in INT8 has 5."""
_FOLDED_PER_WEIGHT = 16
"""What constants alone may grow to when OpenVINO computes it at load, per byte of model.bin: 8-bit weights
become 4 bytes when they are converted and 4 more when they are scaled."""
_FOLDED_BYTES = 16 * 1024 * 1024


def check_flow(graph: Graph, weights: bytes) -> None:
    """Check a graph whose layers are each in order.

    Raises:
        BundleError: an edge leads nowhere or backwards, does not fit its ports, or is missing; what decides
            about shapes is not constant; constants pick places that there are not, or unfold to gigabytes;
            or compiling would take minutes.
    """
    sources = _sources(graph)
    # Layers whose values are known from model.bin by looking; those that OpenVINO computes at load; and how
    # many elementwise layers in a row end in each.
    known: set[int] = set()
    constant: set[int] = set()
    chains = [0] * len(graph.layers)
    folded, limit = 0, _FOLDED_PER_WEIGHT * len(weights) + _FOLDED_BYTES
    for layer, feeding in zip(graph.layers, sources, strict=True):
        if layer.type == "Const":
            known.add(layer.id)
            constant.add(layer.id)
            continue
        rule = RULES[layer.type, layer.version]
        for port in rule.constants:
            if port < len(feeding) and feeding[port].id not in known:
                raise malformed(f"input {port} of {named(layer)} is not constant, so its shape is not fixed")
        if layer.type == "Gather":
            _check_indices(layer, feeding[1], feeding[2], weights)
        if rule.elementwise:
            chains[layer.id] = 1 + max(chains[one.id] for one in feeding)
        if feeding and all(one.id in constant for one in feeding):
            constant.add(layer.id)
            folded += sum(map(tensor_bytes, layer.outputs))
            if all(one.id in known for one in feeding) and _is_plain(layer):
                known.add(layer.id)
    if folded > limit:
        raise malformed(f"its constants unfold to {folded} bytes, allowed are {limit}")
    if max(chains) > MAX_CHAIN:
        raise malformed(f"it has {max(chains)} elementwise layers in a row, allowed are {MAX_CHAIN}")


def _sources(graph: Graph) -> list[list[Layer]]:
    """The layers that feed each layer, by its ports."""
    layers, count = graph.layers, len(graph.layers)
    sources: list[list[Layer | None]] = [[None] * len(layer.inputs) for layer in layers]
    feeding: set[int] = set()
    for source, source_port, target, target_port in graph.edges:
        # Forward only, so that no cycle can be; OpenVINO writes layers in that order.
        if not source < target < count:
            raise malformed(f"an edge leads from layer {source} to layer {target} of {count}")
        giver, taker = layers[source], layers[target]
        out = source_port - len(giver.inputs)
        if not 0 <= out < len(giver.outputs) or target_port >= len(taker.inputs):
            raise malformed(
                f"an edge leads from port {source_port} of {named(giver)} to port {target_port} of "
                f"{named(taker)}"
            )
        if sources[target][target_port] is not None:
            raise malformed(f"two edges lead to port {target_port} of {named(taker)}")
        given, taken = giver.outputs[out], taker.inputs[target_port]
        if given.shape != taken.shape or given.precision != taken.precision:
            raise malformed(
                f"{named(giver)} gives {given.precision} {list(given.shape)} where {named(taker)} takes "
                f"{taken.precision} {list(taken.shape)}"
            )
        sources[target][target_port] = giver
        feeding.add(source)
    for layer in layers:
        if None in sources[layer.id]:
            raise malformed(f"an input of {named(layer)} has no edge")
        if layer.id not in feeding and layer.type != "Result":
            raise malformed(f"nothing takes what {named(layer)} gives")
    return cast(list[list[Layer]], sources)


def _is_plain(layer: Layer) -> bool:
    """Say whether a layer's claimed shape is plainly right: a list that is converted, joined, picked from."""
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
        raise malformed(f"{named(layer)} gathers along axis {along.tolist()[:9]} of {len(shape)}")
    length, picked = shape[int(along[0])], _values(indices, weights)
    if picked.min() < -length or picked.max() >= length:
        raise malformed(f"{named(layer)} picks {picked.min()} to {picked.max()} of {length}")


def _values(constant: Layer, weights: bytes) -> NDArray[Any]:
    kind = constant.data.get("element_type", "")
    if constant.type != "Const" or kind not in ("i64", "i32"):
        raise malformed(f"{named(constant)} holds no whole numbers to pick by")
    count = constant.outputs[0].elements
    return np.frombuffer(weights, NUMPY_TYPES[kind], count=count, offset=int(constant.data["offset"]))
