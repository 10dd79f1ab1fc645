"""The network inside an exported ONNX graph: cut it out for quantizing one crop at a time, put it back.

Ten crops an image would make NNCF's calibration ten times as long, and its statistics no better: they are
ten views of one image. So the network is quantized alone, from the tensor `crops` to `crop_probabilities`
and `crop_activation_maps`, and takes its old place afterwards.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...runtime.bundle.bundle import ONNX, Bundle
from ...runtime.errors import BundleError
from ..export.onnx import AT_CELLS, CROP_MAPS, CROP_OUTPUT, CROPS, POOLING

if TYPE_CHECKING:
    import onnx

ENDS = (CROP_OUTPUT, CROP_MAPS)
"""Where the network ends: its answers, and its activation maps."""
LAYER_TYPES = ("Conv", "Gemm", "MatMul")
"""The operations that INT8 makes faster; these are the layers that can be left in floating point."""


def read_onnx(bundle: Bundle) -> "onnx.ModelProto":
    """The ONNX graph of a bundle.

    Raises:
        BundleError: it holds none.
    """
    import onnx

    if not bundle.has(ONNX):
        raise BundleError(f"{bundle.path} holds no {ONNX}, which is what is quantized; export it again")
    return onnx.load_from_string(bundle.read(ONNX))


def cut_network(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """The network alone: one uint8 view (1, 1, side, side) in; probabilities (1, W, C) and maps out.

    Raises:
        BundleError: the graph was not exported by xopt, its inner tensors have no names.
    """
    import onnx

    network = _between(graph, [CROPS], ENDS)
    entrance = network.graph.input[0].type.tensor_type.shape.dim[0]
    entrance.Clear()
    entrance.dim_value = 1
    _part_shared_weights(network)
    # Shapes of the whole graph speak of another batch.
    del network.graph.value_info[:]
    for output in network.graph.output:
        output.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(network, data_prop=True)


def join_network(graph: "onnx.ModelProto", network: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy of `graph` with `network`, of the kind that `cut_network` returns, in place of its own.

    Raises:
        BundleError: `graph` was not exported by xopt.
    """
    replaced = {node.output[0] for node in _between(graph, [CROPS], ENDS).graph.node}
    outside = [node for node in graph.graph.node if node.output[0] not in replaced]
    inner = _renamed(network, taken={value for node in outside for value in (*node.input, *node.output)})
    joined = deepcopy(graph)
    del joined.graph.node[:]
    stored = {value.name: value for model in (graph, inner) for value in model.graph.initializer}
    for node in outside:
        joined.graph.node.append(node)
        if CROPS in node.output:
            joined.graph.node.extend(inner.graph.node)
    del joined.graph.initializer[:]
    joined.graph.initializer.extend(stored.values())
    return pruned(joined)


def pruned(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy without the nodes and constants that no output depends on."""
    ends = [output.name for output in model.graph.output]
    kept = _between(model, [entrance.name for entrance in model.graph.input], ends)
    # Shapes speak of the batch in symbols that no reader needs.
    del kept.graph.value_info[:]
    return kept


def layers(network: "onnx.ModelProto") -> "dict[str, onnx.NodeProto]":
    """The layers that can be left in floating point, by their name in PyTorch, in the graph's order."""
    found = (node for node in network.graph.node if node.op_type in LAYER_TYPES)
    return {node.name: node for node in found if not _always_float(node.name)}


def floating_point(network: "onnx.ModelProto") -> list[str]:
    """The layers that always stay in floating point.

    The pooling of windows and the head at every cell are next to no work.
    """
    return [node.name for node in network.graph.node if _always_float(node.name)]


def constants(model: "onnx.ModelProto") -> dict[str, NDArray[Any]]:
    """The constants of a graph by name."""
    from onnx import numpy_helper

    return {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}


def set_constants(model: "onnx.ModelProto", arrays: Mapping[str, NDArray[Any]]) -> None:
    """Add constants to a graph, in place of those of the same names."""
    from onnx import numpy_helper

    kept = [value for value in model.graph.initializer if value.name not in arrays]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())


def makers(model: "onnx.ModelProto") -> "dict[str, onnx.NodeProto]":
    """The node that makes each value."""
    return {value: node for node in model.graph.node for value in node.output}


def attribute(node: "onnx.NodeProto", name: str, default: int) -> int:
    """A whole number among a node's attributes."""
    return next((int(found.i) for found in node.attribute if found.name == name), default)


def shape_of(model: "onnx.ModelProto", value: str) -> tuple[int, ...]:
    """The shape of a value of a network that was cut out; empty where it is not known."""
    for known in (*model.graph.value_info, *model.graph.output, *model.graph.input):
        if known.name == value:
            return tuple(dim.dim_value for dim in known.type.tensor_type.shape.dim)
    return ()


def _between(model: "onnx.ModelProto", entrances: list[str], ends: Iterable[str]) -> "onnx.ModelProto":
    import onnx

    known = makers(model).keys() | {entrance.name for entrance in model.graph.input}
    for name in (*entrances, *ends):
        if name not in known:
            raise BundleError(
                f"the graph has no tensor {name!r}, so it cannot be quantized; export it again with this xopt"
            )
    # The extractor takes types from value_info, which exported graphs leave out.
    typed = onnx.shape_inference.infer_shapes(model)
    found = onnx.utils.Extractor(typed).extract_model(entrances, list(ends))
    found.graph.name, found.producer_name = model.graph.name, model.producer_name
    found.producer_version = model.producer_version
    return found


def _part_shared_weights(network: "onnx.ModelProto") -> None:
    """Give the head at every cell constants of its own.

    Those of the head on windows are rounded, by the ranges of that.
    """
    stored = constants(network)
    own: dict[str, NDArray[Any]] = {}
    for node in network.graph.node:
        if node.name.endswith(AT_CELLS):
            for index, name in enumerate(node.input):
                if name in stored:
                    node.input[index] = f"{name}{AT_CELLS}"
                    own[node.input[index]] = stored[name]
    set_constants(network, own)


def _renamed(network: "onnx.ModelProto", taken: set[str]) -> "onnx.ModelProto":
    """A copy whose inner values share no name with others: exporters number them anew in each graph."""
    copy = deepcopy(network)
    ends = {CROPS, *ENDS}
    values = [value for node in copy.graph.node for value in (*node.input, *node.output)]
    used = {*taken, *values}
    new: dict[str, str] = {}
    for value in dict.fromkeys(values):
        if value and value in taken and value not in ends:
            new[value] = next(name for name in map(f"{value}.{{}}".format, range(1, 99)) if name not in used)
    for node in copy.graph.node:
        node.input[:] = [new.get(value, value) for value in node.input]
        node.output[:] = [new.get(value, value) for value in node.output]
    for stored in copy.graph.initializer:
        stored.name = new.get(stored.name, stored.name)
    return copy


def _always_float(name: str) -> bool:
    return name == POOLING or name.endswith(AT_CELLS)
