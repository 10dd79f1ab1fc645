"""A bundle's model.onnx on ONNX Runtime: the same graph as the OpenVINO rows, on the usual alternative."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle import ONNX, Bundle
from ..runtime.ports import OUTPUT
from ..runtime.requires import need
from .engines import Engine
from .openvino_engine import bundle_macs

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeVariant:
    """A bundle's ONNX graph on the CPU provider."""

    name: str
    path: str
    """The bundle's folder."""
    precision: str
    crops: str
    threads: int | None = None
    """None leaves the number to ONNX Runtime: one a physical core."""
    engine: str = "onnxruntime"

    def open(self) -> "OnnxRuntimeEngine":
        """Verify the bundle and load its model.onnx.

        Raises:
            BundleError: it is missing, was changed, or holds no model.onnx.
            DependencyError: ONNX Runtime is not installed.
        """
        need("onnxruntime", extra="onnxruntime")
        import onnxruntime

        # Its optional event reports are off on Linux builds, and this keeps them off.
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
        bundle = Bundle.open(self.path)
        session = onnxruntime.InferenceSession(bundle.read(ONNX), options, providers=["CPUExecutionProvider"])
        return OnnxRuntimeEngine(session, bundle)


class OnnxRuntimeEngine(Engine):
    """A loaded ONNX Runtime session."""

    def __init__(self, session: "onnxruntime.InferenceSession", bundle: Bundle) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._path = bundle.path
        self.classes = bundle.manifest.classes
        self.preprocessing = bundle.manifest.preprocessing
        self.size_mb = bundle.manifest.files[ONNX].size / 1e6

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,)."""
        (probabilities_NC,) = self._session.run([OUTPUT], {self._input: image_HW[np.newaxis]})
        answer: NDArray[np.float32] = probabilities_NC[0]
        return answer

    def macs(self) -> int:
        """Counted in the bundle's other form of the same graph."""
        return bundle_macs(Bundle.open(self._path))
