"""Classifier: what device software embeds. Verified at load, thread-safe, the same bits every time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache as once
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from .backends.base import closed, usable_cores
from .bundle.loading import Loaded, LoadSettings, load_bundle
from .bundle.manifest import Manifest
from .bundle.signature import KeySource, Verifier
from .errors import BundleError, InputError
from .heatmap import assemble, to_image
from .images.image import prepare
from .results import Failure, Result, Trace

ImageSource = Path | str | bytes | NDArray[np.uint8]


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
        mode: Literal["latency", "throughput"] = "latency",
        cache: Path | str | None = None,
        public_key: KeySource | None = None,
    ) -> Self:
        """Load a bundle; no engine sees a byte before all of them were hashed.

        Args:
            path: the bundle's folder.
            engine: openvino, or onnxruntime for a bundle with a model.onnx.
            device: CPU, GPU, NPU or AUTO; ONNX Runtime has the CPU only.
            threads: threads for one inference; all cores by default.
            verify: "digest" checks every file's SHA-256; "full" also runs the golden images and compares.
            mode: "latency" answers one image as soon as possible, with all threads; "throughput" as many
                images a second as possible in `stream`, with one thread an image. Answers are the same.
            cache: folder in which the compiled graph is kept for the next start, believed only by its digest;
                it must belong to the device software alone. None by default. OpenVINO only.
            public_key: an Ed25519 public key in PEM, as a path or as bytes: a bundle without its signature
                is refused before anything of it is interpreted. None: signatures are not looked at.

        Raises:
            BundleError: the bundle is missing, changed, not signed by the key, or does not answer as it
                should on this machine.
            KeyFileError: `public_key` is no Ed25519 public key.
            UsageError: an engine or device that there is not.
            DeviceError: this machine has no such device.
            DependencyError: the engine is not installed.
        """
        settings = LoadSettings(
            engine=engine,
            device=device,
            threads=threads,
            verify=verify,
            mode=mode,
            cache=None if cache is None else Path(cache),
            verifier=None if public_key is None else Verifier(public_key),
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
            BundleError: the new bundle is missing, changed, not signed by the key given to `load`, or has
                other classes.
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
        """The loaded bundle's manifest."""
        return self._loaded.bundle.manifest

    @property
    def trace(self) -> Trace:
        """The provenance of every answer: the bundle, the engine, the versions."""
        return self._loaded.trace

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
        return _answer(image, self._loaded)

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of an image that is already decoded and resized, uint8 (size, size).

        Raises:
            InputError: another shape or type.
        """
        return self._loaded.backend.infer(image_HW)

    def stream(
        self, images: Iterable[ImageSource], *, workers: int | None = None, window: int | None = None
    ) -> Iterator[Result]:
        """Classify many images; decoding overlaps inference, order is kept, memory is bounded.

        Args:
            images: paths, bytes or arrays; taken one by one, never all at once.
            workers: threads that decode and infer, one image each; as many as cores by default.
            window: images that may be under way or waiting for their turn; four a worker by default.

        Raises:
            InputError: at the first image that cannot be classified.
        """
        for answer in self.stream_all(images, workers=workers, window=window):
            if isinstance(answer, Failure):
                raise answer.error
            yield answer

    def stream_all(
        self, images: Iterable[ImageSource], *, workers: int | None = None, window: int | None = None
    ) -> Iterator[Result | Failure]:
        """Classify like `stream`, but yield a Failure for an image that cannot be classified and go on."""
        threads = workers if workers is not None else usable_cores()
        ahead = window if window is not None else 4 * threads
        if threads < 1 or ahead < 1:
            raise ValueError(f"workers and window must be at least 1, got {workers} and {window}.")
        with ThreadPoolExecutor(threads, thread_name_prefix="xopt-stream") as pool:
            waiting: deque[Future[Result | Failure]] = deque()
            try:
                for image in images:
                    waiting.append(pool.submit(_attempt, image, self._loaded))
                    if len(waiting) >= ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Let go of the graph; a reload that is under way comes first."""
        with self._changing:
            self._closed = True
            self._loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _attempt(image: ImageSource, loaded: Loaded) -> Result | Failure:
    try:
        return _answer(image, loaded)
    except InputError as error:
        return Failure(source=_name(image), error=error)


def _answer(image: ImageSource, loaded: Loaded) -> Result:
    manifest = loaded.bundle.manifest
    prepared = prepare(image, manifest.preprocessing)
    values = loaded.backend.infer(prepared.image_HW).tolist()
    probabilities = dict(zip(manifest.classes, values, strict=True))
    positive = [name for name, p in probabilities.items() if p >= manifest.thresholds[name]]
    return Result(
        source=_name(image),
        probabilities=probabilities,
        findings=tuple(sorted(positive, key=lambda name: -probabilities[name])),
        trace=loaded.trace,
        notes=prepared.notes,
        explain=_explainer(loaded, prepared.image_HW, (prepared.height, prepared.width)),
    )


def _explainer(
    loaded: Loaded, resized_HW: NDArray[np.uint8], shape: tuple[int, ...]
) -> Callable[[str], NDArray[np.float32]]:
    manifest = loaded.bundle.manifest
    # A copy: an image that needed no resizing is still the caller's.
    kept_HW = resized_HW.copy()

    @once
    def all_maps() -> NDArray[np.float32]:
        return loaded.maps(kept_HW)

    def explain(name: str) -> NDArray[np.float32]:
        maps_VHW = all_maps()[:, manifest.classes.index(name)]
        return to_image(assemble(maps_VHW, manifest.preprocessing), *shape)

    return explain


def _name(image: ImageSource) -> str:
    if isinstance(image, bytes):
        return "bytes"
    return str(image) if isinstance(image, Path | str) else "array"
