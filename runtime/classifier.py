"""Classifier: what device software embeds. Verified at load, thread-safe, the same bits every time."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from .backend import Backend, open_backend
from .bundle import Bundle
from .errors import BundleError, InputError
from .golden import check_parity
from .image import check_array, decode, resize
from .manifest import Manifest

ImageSource = Path | str | bytes | NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answer for one image, traceable to the bundle that gave it."""

    source: str
    """The image's path, or "bytes" or "array"."""
    probabilities: dict[str, float]
    """Per class, in 0..1."""
    findings: tuple[str, ...]
    """Classes at or above their operating thresholds, the most probable first."""
    bundle_digest: str
    """SHA-256 of the manifest of the bundle that answered."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An image of a stream that could not be classified."""

    source: str
    error: InputError


class Classifier:
    """A loaded bundle. Make one with `Classifier.load`."""

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self._bundle = bundle
        self._backend = backend

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        engine: str = "openvino",
        device: str = "CPU",
        threads: int | None = None,
        verify: Literal["full", "digest"] = "digest",
    ) -> Self:
        """Load a bundle; no engine sees a byte before all of them were hashed.

        Args:
            path: the bundle's folder.
            engine: openvino, or onnxruntime for a bundle with a model.onnx.
            device: CPU, GPU, NPU or AUTO; ONNX Runtime has the CPU only.
            threads: threads for one inference; all cores by default.
            verify: "digest" checks every file's SHA-256; "full" also runs the golden images and compares.

        Raises:
            BundleError: the bundle is missing, changed, or does not answer as it should on this machine.
            UsageError: an engine or device that there is not.
            DeviceError: this machine has no such device.
            DependencyError: the engine is not installed.
        """
        if verify not in ("full", "digest"):
            raise ValueError(f"verify must be 'full' or 'digest', got {verify!r}.")
        bundle = Bundle.open(path)
        backend = open_backend(bundle, engine=engine, device=device, threads=threads)
        check_ports(bundle, backend)
        if verify == "full":
            check_parity(bundle, backend)
        return cls(bundle, backend)

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    @property
    def digest(self) -> str:
        """The bundle's identity, SHA-256 of its manifest."""
        return self._bundle.digest

    def predict(self, image: ImageSource) -> Result:
        """Classify one image.

        Args:
            image: a path, the bytes of a PNG or JPEG, or uint8 (H, W).

        Raises:
            InputError: the image cannot be classified.
        """
        return self._answer(_name(image), self._prepare(image))

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of an image that is already decoded and resized, uint8 (size, size).

        Raises:
            InputError: another shape or type.
        """
        return self._backend.infer(image_HW)

    def stream(self, images: Iterable[ImageSource], *, workers: int = 2, window: int = 8) -> Iterator[Result]:
        """Classify many images; decoding overlaps inference, order is kept, memory is bounded by `window`.

        Raises:
            InputError: at the first image that cannot be classified.
        """
        for answer in self.stream_all(images, workers=workers, window=window):
            if isinstance(answer, Failure):
                raise answer.error
            yield answer

    def stream_all(
        self, images: Iterable[ImageSource], *, workers: int = 2, window: int = 8
    ) -> Iterator[Result | Failure]:
        """As `stream`, but an image that cannot be classified yields a Failure and the rest goes on."""
        if workers < 1 or window < 1:
            raise ValueError(f"workers and window must be at least 1, got {workers} and {window}.")
        with ThreadPoolExecutor(workers, thread_name_prefix="xopt-decode") as pool:
            waiting: deque[tuple[str, Future[NDArray[np.uint8]]]] = deque()
            try:
                for image in images:
                    waiting.append((_name(image), pool.submit(self._prepare, image)))
                    if len(waiting) > window:
                        yield self._settle(*waiting.popleft())
                while waiting:
                    yield self._settle(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Let go of the graph."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, image: ImageSource) -> NDArray[np.uint8]:
        if isinstance(image, Path | str | bytes):
            image = decode(image)
        check_array(image)
        return resize(image, self.manifest.preprocessing.size)

    def _settle(self, source: str, prepared: "Future[NDArray[np.uint8]]") -> Result | Failure:
        try:
            return self._answer(source, prepared.result())
        except InputError as error:
            return Failure(source=source, error=error)

    def _answer(self, source: str, image_HW: NDArray[np.uint8]) -> Result:
        values = self._backend.infer(image_HW).tolist()
        probabilities = dict(zip(self.manifest.classes, values, strict=True))
        positive = [name for name, p in probabilities.items() if p >= self.manifest.thresholds[name]]
        return Result(
            source=source,
            probabilities=probabilities,
            findings=tuple(sorted(positive, key=lambda name: -probabilities[name])),
            bundle_digest=self.digest,
        )


def check_ports(bundle: Bundle, backend: Backend) -> None:
    """Check that the graph has the input and output that the manifest promises.

    Raises:
        BundleError: it has others.
    """
    size, classes = bundle.manifest.preprocessing.size, len(bundle.manifest.classes)
    if (backend.input_shape, backend.output_shape) != ((1, size, size), (1, classes)):
        raise BundleError(
            f"{bundle.path}: the graph maps {backend.input_shape} to {backend.output_shape}, "
            f"its manifest says {(1, size, size)} to {(1, classes)}; export it again"
        )


def _name(image: ImageSource) -> str:
    if isinstance(image, bytes):
        return "bytes"
    return str(image) if isinstance(image, Path | str) else "array"
