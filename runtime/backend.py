"""The OpenVINO backend: one compiled graph, answers that never depend on threads, batches or neighbours."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError, InputError
from .telemetry import without_telemetry

if TYPE_CHECKING:
    import openvino

PRECISION_HINT = "f32"
"""Pinned: OpenVINO's CPU plugin computes in bf16 where the CPU has it, and that would not be FP32."""


class Backend(Protocol):
    """What runs a bundle's graph."""

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (C,) of one resized image (size, size)."""
        ...


class OpenVINOBackend:
    """A bundle's IR on the CPU.

    Thread-safe: each call takes an InferRequest of its own from a pool, since one request shared between
    threads hands out other images' answers. Bit-identical over runs and thread counts: the precision is
    pinned, the shapes are static.

    Args:
        xml: the IR's topology.
        weights: the IR's constants. Loaded from memory, never mapped from a file that may change.
        threads: threads for one inference; all cores by default.

    Raises:
        BundleError: OpenVINO cannot read or compile the graph.
    """

    def __init__(self, xml: bytes, weights: bytes, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        ov = import_openvino()
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISION_HINT, "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        # The tensor only borrows the array's memory, so the array has to live as long as the graph.
        self._weights = np.frombuffer(weights, dtype=np.uint8)
        try:
            model = ov.Core().read_model(xml, ov.Tensor(self._weights))
            self._compiled = ov.Core().compile_model(model, "CPU", settings)
            self.input_shape = tuple(self._compiled.input(0).shape)
            self.output_shape = tuple(self._compiled.output(0).shape)
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO cannot load the model ({_first_line(error)}); export it again"
            ) from error
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities of one image.

        Args:
            image_HW: uint8 (size, size), decoded and resized.

        Returns:
            float32 (C,), a copy that stays as it is.

        Raises:
            InputError: the image has another shape or type.
            BundleError: the graph answers with something that is no probability.
        """
        shape = self.input_shape[1:]
        if not isinstance(image_HW, np.ndarray) or image_HW.dtype != np.uint8 or image_HW.shape != shape:
            found = (
                f"{image_HW.dtype} {image_HW.shape}" if isinstance(image_HW, np.ndarray) else type(image_HW)
            )
            raise InputError(f"the graph takes uint8 {shape}, got {found}; resize the image first")
        with self._request() as request:
            # share_inputs would let OpenVINO write into the caller's array.
            request.infer(
                [np.ascontiguousarray(image_HW)[np.newaxis]], share_inputs=False, share_outputs=True
            )
            answer = np.array(request.get_output_tensor(0).data[0], dtype=np.float32)
        if not (np.isfinite(answer).all() and answer.min() >= 0 and answer.max() <= 1):
            raise BundleError(f"the graph answered {answer}, which are no probabilities; export it again")
        return answer

    @contextmanager
    def _request(self) -> "Iterator[openvino.InferRequest]":
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.put(request)


def import_openvino() -> Any:
    """The openvino module, imported without its telemetry."""
    with without_telemetry():
        import openvino

    return openvino


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
