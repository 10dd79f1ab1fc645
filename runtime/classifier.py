"""Classifier: what device software embeds. Verified at load, thread-safe, the same bits every time."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from .backend import closed
from .errors import BundleError, InputError
from .image import check_array, decode, resize
from .loading import Loaded, LoadSettings, load_bundle
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

    def __init__(self, loaded: Loaded, settings: LoadSettings) -> None:
        # Replaced as one: whoever takes it once gets a bundle and a graph that belong together.
        self._loaded = loaded
        self._settings = settings
        self._changing = Lock()
        self._closed = False

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        engine: str = "openvino",
        device: str = "CPU",
        threads: int | None = None,
        verify: Literal["full", "digest"] = "digest",
        cache: Path | str | None = None,
    ) -> Self:
        """Load a bundle; no engine sees a byte before all of them were hashed.

        Args:
            path: the bundle's folder.
            engine: openvino, or onnxruntime for a bundle with a model.onnx.
            device: CPU, GPU, NPU or AUTO; ONNX Runtime has the CPU only.
            threads: threads for one inference; all cores by default.
            verify: "digest" checks every file's SHA-256; "full" also runs the golden images and compares.
            cache: folder in which the compiled graph is kept for the next start, believed only by its digest;
                it must belong to the device software alone. None by default. OpenVINO only.

        Raises:
            BundleError: the bundle is missing, changed, or does not answer as it should on this machine.
            UsageError: an engine or device that there is not.
            DeviceError: this machine has no such device.
            DependencyError: the engine is not installed.
        """
        settings = LoadSettings(
            engine=engine,
            device=device,
            threads=threads,
            verify=verify,
            cache=None if cache is None else Path(cache),
        )
        return cls(load_bundle(path, settings), settings)

    def reload(self, path: Path | str, *, allow_other_classes: bool = False) -> None:
        """Put another bundle in the place of the loaded one, while other threads go on predicting.

        It is loaded with the settings of `load`. An answer comes wholly from the old bundle or wholly from
        the new one, as its `bundle_digest` tells; what began on the old one is finished on it. If the new
        bundle cannot be used, the old one stays.

        Args:
            path: the new bundle's folder. Its preprocessing may differ: `predict` follows it, callers of
                `infer` have to look at the manifest's size anew.
            allow_other_classes: take a bundle of another task or with other classes, or in another order.
                Refused by default, since device software may know classes by their place.

        Raises:
            BundleError: the new bundle is missing, changed, or has other classes.
            InputError: this classifier is closed.
        """
        with self._changing:
            if self._closed:
                raise closed()
            new = load_bundle(path, self._settings)
            facts = (self.manifest.task, self.manifest.classes)
            if not allow_other_classes and (new.bundle.manifest.task, new.bundle.manifest.classes) != facts:
                raise BundleError(
                    f"{path} is {new.bundle.manifest.task} with the classes "
                    f"{', '.join(new.bundle.manifest.classes)}, loaded is {facts[0]} with "
                    f"{', '.join(facts[1])}; load it anew, or reload with allow_other_classes=True"
                )
            self._loaded = new

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._loaded.bundle.manifest

    @property
    def digest(self) -> str:
        """The bundle's identity, SHA-256 of its manifest."""
        return self._loaded.bundle.digest

    def predict(self, image: ImageSource) -> Result:
        """Classify one image.

        Args:
            image: a path, the bytes of a PNG or JPEG, or uint8 (H, W).

        Raises:
            InputError: the image cannot be classified.
        """
        loaded = self._loaded
        return _answer(_name(image), _prepare(image, loaded), loaded)

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of an image that is already decoded and resized, uint8 (size, size).

        Raises:
            InputError: another shape or type.
        """
        return self._loaded.backend.infer(image_HW)

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
            waiting: deque[tuple[str, Future[NDArray[np.uint8]], Loaded]] = deque()
            try:
                for image in images:
                    loaded = self._loaded
                    waiting.append((_name(image), pool.submit(_prepare, image, loaded), loaded))
                    if len(waiting) > window:
                        yield _settle(*waiting.popleft())
                while waiting:
                    yield _settle(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Let go of the graph; a reload that is under way comes first."""
        with self._changing:
            self._closed = True
            self._loaded.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _prepare(image: ImageSource, loaded: Loaded) -> NDArray[np.uint8]:
    if isinstance(image, Path | str | bytes):
        image = decode(image)
    check_array(image)
    return resize(image, loaded.bundle.manifest.preprocessing.size)


def _settle(source: str, prepared: "Future[NDArray[np.uint8]]", loaded: Loaded) -> Result | Failure:
    try:
        return _answer(source, prepared.result(), loaded)
    except InputError as error:
        return Failure(source=source, error=error)


def _answer(source: str, image_HW: NDArray[np.uint8], loaded: Loaded) -> Result:
    manifest = loaded.bundle.manifest
    values = loaded.backend.infer(image_HW).tolist()
    probabilities = dict(zip(manifest.classes, values, strict=True))
    positive = [name for name, p in probabilities.items() if p >= manifest.thresholds[name]]
    return Result(
        source=source,
        probabilities=probabilities,
        findings=tuple(sorted(positive, key=lambda name: -probabilities[name])),
        bundle_digest=loaded.bundle.digest,
    )


def _name(image: ImageSource) -> str:
    if isinstance(image, bytes):
        return "bytes"
    return str(image) if isinstance(image, Path | str) else "array"
