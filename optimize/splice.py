"""The network inside an exported graph: cut it out for quantizing one crop at a time, put it back.

Ten crops an image would make NNCF's calibration ten times as long, and its statistics no better: they are
ten views of one image. So the network is quantized alone, between the tensors `crops` and
`crop_probabilities`, and takes its old place afterwards.
"""

from typing import TYPE_CHECKING

from ..runtime.errors import BundleError
from ..runtime.openvino_backend import import_openvino
from .tensors import CROP_OUTPUT, CROPS

if TYPE_CHECKING:
    import openvino

LAYER_TYPES = ("Convolution", "GroupConvolution", "MatMul")
"""The operations that INT8 makes faster; these are the layers that can be left in floating point."""


def cut_network(model: "openvino.Model") -> "openvino.Model":
    """The network alone: one uint8 crop (1, 1, crop, crop) in, probabilities (1, C) out.

    Raises:
        BundleError: the graph was not exported by xopt, its inner tensors have no names.
    """
    openvino = import_openvino()
    whole = model.clone()
    crops, answers = _tensor(whole, CROPS), _tensor(whole, CROP_OUTPUT)
    shape = [1, *(int(side) for side in list(crops.shape)[1:])]
    entrance = openvino.opset13.parameter(shape, crops.get_element_type(), name=CROPS)
    crops.replace(entrance.output(0))
    entrance.output(0).set_names({CROPS})
    network = openvino.Model([openvino.opset13.result(answers)], [entrance], "network")
    network.validate_nodes_and_infer_types()
    return network


def join_network(model: "openvino.Model", network: "openvino.Model") -> "openvino.Model":
    """A copy of `model` with `network`, of the kind that `cut_network` returns, in place of its own.

    Raises:
        BundleError: `model` was not exported by xopt.
    """
    whole, inner = model.clone(), network.clone()
    crops, answers = _tensor(whole, CROPS), _tensor(whole, CROP_OUTPUT)
    (entrance,) = inner.get_parameters()
    (result,) = inner.get_results()
    last = result.input(0).get_source_output()
    entrance.output(0).set_names(set())
    entrance.output(0).replace(crops)
    answers.set_names(set())
    answers.replace(last)
    last.set_names({CROP_OUTPUT})
    whole.validate_nodes_and_infer_types()
    return whole


def layers(network: "openvino.Model") -> dict[str, str]:
    """The layers that can be left in floating point: their name, as in PyTorch, and their operation's."""
    found: dict[str, str] = {}
    for operation in network.get_ordered_ops():
        if operation.get_type_name() in LAYER_TYPES:
            name = operation.get_friendly_name()
            found[name.removesuffix("/WithoutBiases")] = name
    return found


def _tensor(model: "openvino.Model", name: str) -> "openvino.Output":
    for operation in model.get_ordered_ops():
        for output in operation.outputs():
            if name in output.get_names():
                return output
    raise BundleError(
        f"the graph has no tensor {name!r}, so it cannot be quantized; export it again with this xopt"
    )
