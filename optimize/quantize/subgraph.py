"""The network inside an exported graph: cut it out for quantizing one crop at a time, put it back.

Ten crops an image would make NNCF's calibration ten times as long, and its statistics no better: they are
ten views of one image. So the network is quantized alone, from the tensor `crops` to `crop_probabilities`
and `crop_activation_maps`, and takes its old place afterwards.
"""

from typing import TYPE_CHECKING

from ...runtime.backends.openvino import import_openvino
from ...runtime.errors import BundleError
from ..export.onnx import AT_CELLS, CROP_MAPS, CROP_OUTPUT, CROPS, POOLING

if TYPE_CHECKING:
    import openvino

ENDS = (CROP_OUTPUT, CROP_MAPS)
"""Where the network ends: its answers, and its activation maps."""
LAYER_TYPES = ("Convolution", "GroupConvolution", "MatMul")
"""The operations that INT8 makes faster; these are the layers that can be left in floating point."""


def cut_network(model: "openvino.Model") -> "openvino.Model":
    """The network alone: one uint8 view (1, 1, side, side) in; probabilities (1, W, C) and maps out.

    Raises:
        BundleError: the graph was not exported by xopt, its inner tensors have no names.
    """
    openvino = import_openvino()
    whole = model.clone()
    crops, ends = _tensor(whole, CROPS), [_tensor(whole, name) for name in ENDS]
    shape = [1, *(int(side) for side in list(crops.shape)[1:])]
    entrance = openvino.opset13.parameter(shape, crops.get_element_type(), name=CROPS)
    crops.replace(entrance.output(0))
    entrance.output(0).set_names({CROPS})
    network = openvino.Model([openvino.opset13.result(end) for end in ends], [entrance], "network")
    network.validate_nodes_and_infer_types()
    return network


def join_network(model: "openvino.Model", network: "openvino.Model") -> "openvino.Model":
    """A copy of `model` with `network`, of the kind that `cut_network` returns, in place of its own.

    Raises:
        BundleError: `model` was not exported by xopt.
    """
    whole, inner = model.clone(), network.clone()
    crops, ends = _tensor(whole, CROPS), [_tensor(whole, name) for name in ENDS]
    (entrance,) = inner.get_parameters()
    entrance.output(0).set_names(set())
    entrance.output(0).replace(crops)
    for name, end, result in zip(ENDS, ends, inner.get_results(), strict=True):
        last = result.input(0).get_source_output()
        end.set_names(set())
        end.replace(last)
        last.set_names({name})
    whole.validate_nodes_and_infer_types()
    return whole


def layers(network: "openvino.Model") -> dict[str, str]:
    """The layers that can be left in floating point: their name, as in PyTorch, and their operation's."""
    return {name: operation for name, operation in _products(network).items() if not _always_float(name)}


def floating_point(network: "openvino.Model") -> list[str]:
    """The operations that always stay in floating point.

    The pooling of windows and the head at every cell are next to no work, and a head whose weights two
    operations share would be rounded for both by the ranges of one.
    """
    return [operation for name, operation in _products(network).items() if _always_float(name)]


def _products(network: "openvino.Model") -> dict[str, str]:
    found: dict[str, str] = {}
    for operation in network.get_ordered_ops():
        if operation.get_type_name() in LAYER_TYPES:
            name = operation.get_friendly_name()
            found[name.removesuffix("/WithoutBiases")] = name
    return found


def _always_float(name: str) -> bool:
    return name == POOLING or name.endswith(AT_CELLS)


def _tensor(model: "openvino.Model", name: str) -> "openvino.Output":
    for operation in model.get_ordered_ops():
        for output in operation.outputs():
            if name in output.get_names():
                return output
    raise BundleError(
        f"the graph has no tensor {name!r}, so it cannot be quantized; export it again with this xopt"
    )
