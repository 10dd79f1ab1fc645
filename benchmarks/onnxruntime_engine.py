"""A bundle's model.onnx on ONNX Runtime, exactly as device software runs it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle.folder import ONNX, Bundle
from ..runtime.classifier import Classifier
from .engines import Engine
from .openvino_engine import bundle_macs


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeVariant:
    """A bundle's ONNX graph, FP32 or INT8, through `runtime.Classifier`."""

    name: str
    path: str
    """The bundle's folder."""
    precision: str
    crops: str
    threads: int | None = None
    """None takes all cores that the process may use."""
    engine: str = "onnxruntime"

    def open(self) -> "OnnxRuntimeEngine":
        """Verify the bundle and load its model.onnx.

        Raises:
            BundleError: it is missing, was changed, or holds no model.onnx.
            DependencyError: ONNX Runtime is not installed.
        """
        return OnnxRuntimeEngine(
            Classifier.load(self.path, engine="onnxruntime", threads=self.threads), self.path
        )


class OnnxRuntimeEngine(Engine):
    """A loaded `Classifier`."""

    def __init__(self, classifier: Classifier, path: str) -> None:
        manifest = classifier.manifest
        self._classifier = classifier
        self._path = path
        self.classes = manifest.classes
        self.preprocessing = manifest.preprocessing
        self.size_mb = manifest.files[ONNX].size / 1e6

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,)."""
        return self._classifier.infer(image_HW)

    def macs(self) -> int:
        """Counted in the bundle's other form of the same graph."""
        return bundle_macs(Bundle.open(self._path))
