"""OpenVINO models to and from the bytes of their two files."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.backends.openvino import import_openvino
from ...runtime.errors import BundleError

if TYPE_CHECKING:
    import onnx
    import openvino

# OpenVINO names what it makes itself by a counter of the process (Multiply_8420); ours begin in lower case.
_COUNTED = re.compile(r"[A-Z][A-Za-z0-9]*_\d+")


def from_onnx(graph: "onnx.ModelProto", *, name: str = "network") -> "openvino.Model":
    """Convert an exported ONNX graph, or a network that was cut out of one, to a model for one image."""
    openvino = import_openvino()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        model = openvino.convert_model(file)
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    model.reshape([dim.dim_value or 1 for dim in dims])
    if any(operation.get_type_name() == "ShapeOf" for operation in model.get_ordered_ops()):
        _fold(model)
    model.set_friendly_name(name)
    return model


def _fold(model: "openvino.Model") -> None:
    """Replace what is computed from constants: 8-bit weights hide their shape until the batch is known."""
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def read_ir(xml: bytes, weights: bytes) -> "openvino.Model":
    """Read a model from the bytes of its two files.

    Raises:
        BundleError: OpenVINO cannot read it.
    """
    openvino = import_openvino()
    # The tensor only borrows its memory; a clone takes the constants over before that goes.
    borrowed = np.frombuffer(weights, dtype=np.uint8)
    try:
        return openvino.Core().read_model(xml, openvino.Tensor(borrowed)).clone()
    except RuntimeError as error:
        raise BundleError(f"OpenVINO cannot read the model ({error}); export it again") from error


def encode_ir(model: "openvino.Model") -> tuple[bytes, bytes]:
    """The bytes of model.xml and model.bin; the same network gives the same bytes."""
    openvino = import_openvino()
    _number(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        # Half precision would move every weight by up to one part in two thousand.
        openvino.save_model(model, file, compress_to_fp16=False)
        return file.read_bytes(), file.with_suffix(".bin").read_bytes()


def _number(model: "openvino.Model") -> None:
    for index, operation in enumerate(model.get_ordered_ops()):
        if _COUNTED.fullmatch(operation.get_friendly_name()):
            operation.set_friendly_name(f"{operation.get_type_name()}_{index}")
