"""The libraries that exporting and quantizing stand on, checked by the commands and by the calls."""

from ..runtime.requires import need


def need_export() -> None:
    """Check for what an export needs, without importing it.

    Raises:
        DependencyError: one is not installed.
    """
    need("torch", "torchvision", "onnx", "onnxscript", "safetensors", extra="optimize")


def need_quantize() -> None:
    """Check for what quantizing and its gate need, without importing it.

    Raises:
        DependencyError: one is not installed.
    """
    need("nncf", "onnx", "onnxruntime", "sklearn", "scipy", extra="optimize")
