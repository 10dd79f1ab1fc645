"""Networks as a device would run them, with fresh weights: what they take does not depend on training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.phantoms import draw_images
from ...models.backbone import split_network
from ...models.registry import build
from ...optimize.libraries import need_export, need_quantize
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS = ("FP32", "INT8")
_CALIBRATION_IMAGES = 4
"""Phantoms; the ranges they give do not change how fast a layer is."""
CHANNELS = 1
"""Planes of an exported network's input: grey ones that are alike are folded to one."""
_MEAN, _STD = 0.5, 0.25
_TASK = "multi-label"


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """Settings of the networks that are exported for a measurement."""

    precision: str = "FP32"
    """One of PRECISIONS."""
    classes: int = 1
    threads: int = 1
    """Of one inference."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        for name in ("classes", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")


def untrained_network(architecture: str, size: int, settings: GraphSettings) -> OpenVINOBackend:
    """A network exported (and quantized) as `xopt export` and `xopt quantize` do it, ready to be timed.

    It takes grey images as one plane, with one centre crop: what `xopt export --crops center` makes of a
    network whose planes are normalised alike.

    Args:
        architecture: as `models.registry.build` takes it.
        size: side of the image and of the network's input, in pixels.
        settings: precision, classes and threads.

    Raises:
        UsageError: an unknown architecture.
        CheckpointError: torch cannot export it.
        DependencyError: torch, onnx, onnxscript or nncf is not installed.
    """
    need_export()
    import torch

    from ...optimize.export.graph import InferenceGraph
    from ...optimize.export.onnx import to_onnx
    from ...optimize.export.openvino_ir import encode_ir, from_onnx

    preprocessing = Preprocessing.square(
        size, size, crops="center", planes=CHANNELS, mean=(_MEAN,), std=(_STD,)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(architecture, settings.classes, preprocessing.planes).eval()
    graph = InferenceGraph(network, split_network(architecture, network), preprocessing, _TASK).eval()
    model = to_onnx(graph, size=size)
    if settings.precision == "INT8":
        need_quantize()
        from ...optimize.quantize.nncf_ptq import quantize_model
        from ...optimize.settings import QuantizeSettings

        model = quantize_model(model, _calibration(size), preprocessing, QuantizeSettings())
    xml, weights = encode_ir(from_onnx(model, name=architecture))
    return OpenVINOBackend(xml, weights, threads=settings.threads)


def _calibration(size: int) -> "NDArray[np.uint8]":
    return draw_images(_CALIBRATION_IMAGES, seed=1, size=size)
