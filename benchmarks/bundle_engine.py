"""A bundle on OpenVINO or ONNX Runtime, exactly as device software runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.backends.openvino import drop_maps, import_openvino
from ..runtime.bundle.bundle import MODEL, ONNX, WEIGHTS, Bundle
from ..runtime.classifier import Classifier
from .engines import Engine

_FILES = {"openvino": (MODEL, WEIGHTS), "onnxruntime": (ONNX,)}
"""What each engine needs of a bundle."""


@dataclass(frozen=True, kw_only=True)
class BundleVariant:
    """A bundle through `runtime.Classifier`."""

    name: str
    path: str
    """The bundle's folder."""
    precision: str
    crops: str
    threads: int | None = None
    """None leaves the number to the engine."""
    engine: str = "openvino"
    """openvino or onnxruntime."""

    def open(self) -> "BundleEngine":
        """Verify and load the bundle.

        Raises:
            BundleError: it is missing, was changed, or holds no model.onnx for ONNX Runtime.
            DependencyError: ONNX Runtime is not installed.
        """
        return BundleEngine(Classifier.load(self.path, engine=self.engine, threads=self.threads), self)


class BundleEngine(Engine):
    """A loaded `Classifier`."""

    def __init__(self, classifier: Classifier, variant: BundleVariant) -> None:
        manifest = classifier.manifest
        self._classifier = classifier
        self._variant = variant
        self._streams: dict[int | None, Classifier] = {}
        self.classes = manifest.classes
        self.preprocessing = manifest.preprocessing
        self.size_mb = sum(manifest.files[name].size for name in _FILES[variant.engine]) / 1e6

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,)."""
        return self._classifier.infer(image_HW)

    def infer_files(
        self, files: Sequence[str | NDArray[np.uint8]], streams: int | None = None
    ) -> NDArray[np.float32]:
        """Probabilities float32 (N, C); OpenVINO's through `Classifier.stream`, as `predict` does.

        Args:
            files: N of them.
            streams: images at once on OpenVINO, one thread each; the variant's threads by default.

        Raises:
            InputError: a file cannot be decoded.
        """
        if self._variant.engine != "openvino":
            return super().infer_files(files)
        threads = self._variant.threads if streams is None else streams
        if threads not in self._streams:
            path = self._variant.path
            self._streams[threads] = Classifier.load(path, threads=threads, mode="throughput")
        answers = self._streams[threads].stream(files, workers=threads)
        return np.array([list(answer.probabilities.values()) for answer in answers], dtype=np.float32)

    def macs(self) -> int:
        """Counted in the bundle's OpenVINO graph, which is ONNX Runtime's in another form."""
        return _bundle_macs(Bundle.open(self._variant.path))


def _bundle_macs(bundle: Bundle) -> int:
    """Multiply-accumulates of one image in a bundle's graph: convolutions and matrix products."""
    model, _kept = prediction_graph(bundle)
    return sum(_operation_macs(operation) for operation in model.get_ops())


def prediction_graph(bundle: Bundle) -> tuple[Any, NDArray[np.uint8]]:
    """The model that predictions run, without activation maps, and the memory its weights borrow."""
    ov = import_openvino()
    weights = np.frombuffer(bundle.read(WEIGHTS), dtype=np.uint8)
    model = ov.Core().read_model(bundle.read(MODEL), ov.Tensor(weights))
    drop_maps(model)
    return model, weights


def _operation_macs(operation: Any) -> int:
    kind = operation.get_type_name()
    if kind not in ("Convolution", "GroupConvolution", "MatMul"):
        return 0
    outputs = prod(operation.output(0).shape)
    if kind == "MatMul":
        left = operation.input_value(0).shape
        return int(outputs * left[-2 if operation.get_attributes()["transpose_a"] else -1])
    # Kernels are (out, in, height, width), with the group in front where there are groups.
    kernel = operation.input_value(1).shape
    return int(outputs * prod(kernel[1 if kind == "Convolution" else 2 :]))
