"""What a bundle made from an FP32 bundle keeps of where it comes from."""

from typing import Any

from ...runtime.bundle.folder import Bundle
from ..export.export import versions

KEPT = ("checkpoint", "alignment", "operating_points")
"""Parts of the parent's provenance that stay true: images that aligned a head or chose thresholds did so for
every bundle that is made of it."""


def ancestry(parent: Bundle) -> dict[str, Any]:
    """The parent and what it was made of, as plain JSON values, for a manifest's provenance."""
    facts = parent.manifest.provenance
    return {
        "parent": {"name": parent.manifest.name, "digest": parent.digest},
        **{part: facts.get(part) for part in KEPT},
    }


def tool_versions() -> dict[str, str]:
    """Versions of what a quantized bundle was made with."""
    return versions("openvino", "nncf", "onnx", "onnxruntime", "numpy")
