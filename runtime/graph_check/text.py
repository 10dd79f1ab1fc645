"""model.xml, read by the one grammar in which OpenVINO writes it.

An XML parser takes far more than that: document types, entities, comments, character sets, any depth of
nesting; and two parsers may understand the same bytes differently. What does not fit this grammar is no IR
of xopt's making and is refused, whatever it may mean. It is also the quicker way: 1 MB in about 15 ms, where
Python's XML parser alone needs 30.
"""

import re
from math import prod
from typing import NamedTuple

from ..errors import BundleError

MAX_XML_BYTES = 32 * 1024 * 1024
"""DenseNet-121 in INT8 has 1 MB."""
MAX_LAYERS = 10_000
"""DenseNet-121 in INT8 has 2,137."""
MAX_EDGES = 4 * MAX_LAYERS
IR_VERSION = "11"

# Text and numbers of bounded length; possessive, so that no input makes the matching go back.
_TEXT = r'[^"<>&\x00-\x1f]{0,1000}+'
_PAIRS = rf'(?:\ [\w-]{{1,40}}+="{_TEXT}")*+'
_PORT = rf"""<port\ id="\d{{1,4}}"\ precision="\w{{1,12}}+"(?:\ names="{_TEXT}")?
    (?:\ /> | >(?:\s*+<dim>\d{{1,10}}</dim>)++\s*+</port>)"""
# Of a layer's run-time information only this one is written by an export: the input's type in older IRs.
_LAYER_INFO = r'<attribute\ name="old_api_map_element_type"\ version="0"\ value="(?:f32|u8|undefined)"\ />'

_HEAD = re.compile(
    rf"""<\?xml\ version="1\.0"\?>\s*+
    <net\ name="[^"<>\x00-\x1f]{{0,1000}}+"\ version="({_TEXT})">\s*+<layers>""",
    re.X | re.A,
)
_LAYER = re.compile(
    rf"""\s*+<layer\ id="(\d{{1,6}})"\ name="({_TEXT})"\ type="(\w{{1,40}}+)"\ version="(\w{{1,20}}+)"
    (?:\ output_names="({_TEXT})")?>
    (?:\s*+<data({_PAIRS})\ />)?
    (?:\s*+<rt_info>(?:\s*+{_LAYER_INFO})*+\s*+</rt_info>)?
    (?:\s*+<input>((?:\s*+{_PORT})++)\s*+</input>)?
    (?:\s*+<output>((?:\s*+{_PORT})++)\s*+</output>)?
    \s*+</layer>""",
    re.X | re.A,
)
_BETWEEN = re.compile(r"\s*+</layers>\s*+<edges>", re.A)
_EDGE = r'<edge from-layer="(\d{1,6})" from-port="(\d{1,4})" to-layer="(\d{1,6})" to-port="(\d{1,4})" />'
_ONE_EDGE = re.compile(_EDGE, re.A)
_EDGES = re.compile(rf"(?:\s*+{_EDGE})*+", re.A)
_TAIL = re.compile(
    rf"""\s*+</edges>\s*+
    (?:<rt_info\ />|<rt_info>
        (?:\s*+<info\ name="OpenVINO\ Runtime"\ value="{_TEXT}"\ />)?
        (?:\s*+<Runtime_version\ value="{_TEXT}"\ />)?
        (?:\s*+<conversion_parameters>
            (?:\s*+<\w{{1,40}}+\ value="[\w\ .,:+-]{{0,200}}+"\ />)*+\s*+</conversion_parameters>)?
        \s*+</rt_info>)?
    \s*+</net>\s*+""",
    re.X | re.A,
)
_PAIR = re.compile(r'([\w-]+)="([^"]*)"', re.A)
# Within a port, "p" comes again only in its end.
_ONE_PORT = re.compile(r'<port id="(\d+)" precision="(\w+)"(?: names="([^"]*)")?(?: />|>([^p]*)p)')
_DIM = re.compile(r"\d+")


class Tensor(NamedTuple):
    """One input or output of a layer."""

    port: int
    precision: str
    """Element type as ports spell it, for example FP32."""
    names: tuple[str, ...]
    shape: tuple[int, ...]
    elements: int
    """The product of `shape`."""


class Layer(NamedTuple):
    """One operation of the graph."""

    id: int
    name: str
    type: str
    version: str
    """The operation set, for example opset8."""
    output_names: tuple[str, ...]
    """Of a Result alone: the names of the graph's output."""
    data: dict[str, str]
    """The operation's settings."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Graph(NamedTuple):
    """The content of model.xml, nothing of it verified yet."""

    layers: list[Layer]
    edges: list[tuple[int, int, int, int]]
    """From layer, from port, to layer, to port."""


def read_graph(xml: bytes) -> Graph:
    """Read an IR's XML.

    Raises:
        BundleError: it has another form than the one in which OpenVINO writes IR version 11, or is too large.
    """
    if len(xml) > MAX_XML_BYTES:
        raise malformed(f"it has {len(xml)} bytes, at most {MAX_XML_BYTES} are read")
    try:
        text = xml.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed(f"it is no UTF-8 text ({error.reason} at byte {error.start})") from None
    head = _HEAD.match(text)
    if head is None:
        raise _unexpected(text, 0)
    if head[1] != IR_VERSION:
        raise malformed(f"it has IR version {head[1][:20]!r}, only {IR_VERSION} is read")
    layers, place = _layers(text, head.end())
    edges, place = _edges(text, place)
    if _TAIL.fullmatch(text, place) is None:
        raise _unexpected(text, place)
    return Graph(layers, edges)


def malformed(problem: str) -> BundleError:
    """The error for a graph that is not used, in one line."""
    return BundleError(f"model.xml is refused: {problem}; export the bundle again")


def named(layer: Layer) -> str:
    """A layer for a message."""
    return f"layer {layer.name[:80]!r}"


def _layers(text: str, place: int) -> tuple[list[Layer], int]:
    layers: list[Layer] = []
    # The same ports and settings come again and again: each spelling is taken apart once.
    settings: dict[str | None, dict[str, str]] = {None: {}}
    tensors: dict[str | None, tuple[Tensor, ...]] = {None: ()}
    shapes: dict[str, tuple[int, ...]] = {}
    while found := _LAYER.match(text, place):
        place = found.end()
        number, name, kind, version, output_names, data, inputs, outputs = found.groups()
        if data not in settings:
            settings[data] = _settings(data, name)
        for section in (inputs, outputs):
            if section not in tensors:
                tensors[section] = _tensors(section, shapes)
        names = tuple(output_names.split(",")) if output_names else ()
        layers.append(
            Layer(int(number), name, kind, version, names, settings[data], tensors[inputs], tensors[outputs])
        )
        if len(layers) > MAX_LAYERS:
            raise malformed(f"it has more than {MAX_LAYERS} layers")
    end = _BETWEEN.match(text, place)
    if end is None:
        raise _unexpected(text, place)
    return layers, end.end()


def _settings(data: str, layer: str) -> dict[str, str]:
    pairs = _PAIR.findall(data)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise malformed(f"layer {layer[:80]!r} sets something twice")
    return found


def _tensors(section: str, shapes: dict[str, tuple[int, ...]]) -> tuple[Tensor, ...]:
    made = []
    for port, precision, names, dims in _ONE_PORT.findall(section):
        if dims not in shapes:
            shapes[dims] = tuple(map(int, _DIM.findall(dims)))
        shape = shapes[dims]
        made.append(
            Tensor(int(port), precision, tuple(names.split(",")) if names else (), shape, prod(shape))
        )
    return tuple(made)


def _edges(text: str, place: int) -> tuple[list[tuple[int, int, int, int]], int]:
    section = _EDGES.match(text, place)
    end = section.end() if section else place
    found = _ONE_EDGE.findall(text, place, end)
    if len(found) > MAX_EDGES:
        raise malformed(f"it has more than {MAX_EDGES} edges")
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in found], end


def _unexpected(text: str, place: int) -> BundleError:
    line = text.count("\n", 0, place) + 1
    snippet = " ".join(text[place : place + 200].split())[:60]
    return malformed(f"at line {line} it is not what OpenVINO writes: {snippet!r}")
