"""The ONNX form of an INT8 bundle: written only if ONNX Runtime then answers as OpenVINO does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.base import Backend
from ...runtime.backends.onnxruntime import OnnxRuntimeBackend
from ...runtime.errors import BundleError
from .qdq import for_onnx_runtime

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class OnnxForm:
    """The ONNX form of an INT8 bundle, or why there is none."""

    content: bytes | None
    """None where there is none."""
    max_difference: float | None
    """Largest difference of a probability between ONNX Runtime and OpenVINO, on the golden images."""
    reason: str | None
    """Why there is none."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        return {
            "written": self.content is not None,
            "max_difference": self.max_difference,
            "reason": self.reason,
        }


def make_onnx_form(
    quantized: "onnx.ModelProto", candidate: Backend, images_NHW: NDArray[np.uint8], *, tolerance: float
) -> OnnxForm:
    """The ONNX form of a quantized graph, tried.

    A bundle is complete without: then OpenVINO alone runs it, and the reason says why.

    Args:
        quantized: the graph, with QuantizeLinear and DequantizeLinear nodes.
        candidate: the same on OpenVINO.
        images_NHW: the golden images, uint8 (N, size, size).
        tolerance: largest difference of a probability.
    """
    content = for_onnx_runtime(quantized)
    try:
        backend = OnnxRuntimeBackend(content)
        found = max(float(np.abs(backend.infer(i) - candidate.infer(i)).max()) for i in images_NHW)
    except BundleError as error:
        return OnnxForm(content=None, max_difference=None, reason=str(error))
    if found > tolerance:
        reason = (
            f"ONNX Runtime differs from OpenVINO by {found:.2g} on the golden images, allowed is "
            f"{tolerance:.2g}"
        )
        return OnnxForm(content=None, max_difference=found, reason=reason)
    return OnnxForm(content=content, max_difference=found, reason=None)
