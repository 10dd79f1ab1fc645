"""A quantized OpenVINO model as ONNX with QuantizeLinear and DequantizeLinear, for ONNX Runtime.

The FP32 graph in ONNX has the tensors and layers of the OpenVINO graph by the same names, so what NNCF
decided is carried over place by place: ranges of activations, 8-bit weights, corrected biases. Both engines
then compute one function, and what passed the gate on one has passed it on the other.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .onnx_editing import OnnxGraph
from .onnx_qdq_layers import carry_layer, no_place
from .openvino_quantizers import Edge, Steps, edges, layers_of, tensor_names

if TYPE_CHECKING:
    import onnx
    import openvino


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
        carry_layer(graph, layer)
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
                raise no_place(f"{name} is quantized in two ways for one operation")
            moved |= moves
            if takers:
                plans.append((name, edge.steps, takers))
                placed = True
        if not placed:
            raise no_place(f"nothing in model.onnx takes the quantized tensor {', '.join(edge.names)}")
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
        raise no_place(f"{clash.value} is quantized for one input of {clash.node} and not for another")
    for name in touched:
        for node in graph.consumers(name):
            if _Move(node.output[0], name) not in floats and node.output[0] not in inner:
                raise no_place(
                    f"{node.name} takes {name}, and OpenVINO's graph does not say in how many bits"
                )


def _region(graph: OnnxGraph, edge: Edge) -> list["onnx.NodeProto"]:
    return [node for end in sorted(edge.ends) for node in graph.region(end)]


def _inner(graph: OnnxGraph, edge: Edge) -> list["onnx.NodeProto"]:
    """The nodes between two names of one tensor: reshapes that OpenVINO took for doing nothing."""
    return [
        node for name in edge.names for node in graph.region(name) if not edge.names.isdisjoint(node.input)
    ]
