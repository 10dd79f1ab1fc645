"""From a bundle's folder to a graph that answers: to load it, to reload it, and for `xopt verify`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ..backends import open_backend
from ..backends.base import Backend, closed
from ..errors import BundleError
from ..results import Trace
from .bundle import Bundle
from .golden import Parity, check_parity
from .signature import KeySource, Verifier


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """Settings of a load, kept for every reload."""

    engine: str = "openvino"
    """openvino, or onnxruntime for a bundle with a model.onnx."""
    device: str = "CPU"
    """CPU, GPU, NPU or AUTO."""
    threads: int | None = None
    """Threads for one inference; all cores by default."""
    verify: Literal["full", "digest"] = "digest"
    """Digests alone, or also the golden images."""
    cache: Path | None = None
    """Folder for compiled graphs; none by default."""
    mode: Literal["latency", "throughput"] = "latency"
    """One image as soon as possible on all threads, or as many images as possible, one thread each."""
    verifier: Verifier | None = None
    """Insists on signatures by its key; None looks at none."""

    def __post_init__(self) -> None:
        if self.verify not in ("full", "digest"):
            raise ValueError(f"verify must be 'full' or 'digest', got {self.verify!r}.")
        if self.mode not in ("latency", "throughput"):
            raise ValueError(f"mode must be 'latency' or 'throughput', got {self.mode!r}.")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A bundle and the graph made of it: what one answer comes from, wholly."""

    bundle: Bundle
    backend: Backend
    maps: "LazyMaps"
    trace: Trace

    def close(self) -> None:
        """Let go of both graphs."""
        self.backend.close()
        self.maps.close()


class LazyMaps:
    """The graph with its activation maps, compiled when the first heatmap is asked for."""

    def __init__(self, open_maps: Callable[[], Backend]) -> None:
        self._open: Callable[[], Backend] | None = open_maps
        self._backend: Backend | None = None
        self._opening = Lock()

    def __call__(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Activation maps float32 (V, C, H, W) of a resized image.

        Raises:
            InputError: the classifier is closed.
            BundleError: the graph gives no activation maps.
        """
        with self._opening:
            if self._open is None:
                raise closed()
            if self._backend is None:
                self._backend = self._open()
        return self._backend.activation_maps(image_HW)

    def close(self) -> None:
        """Let go of the graph."""
        with self._opening:
            self._open = None
            if self._backend is not None:
                self._backend.close()


def load_bundle(path: Path | str, settings: LoadSettings) -> Loaded:
    """Hash, check and compile a bundle.

    Raises:
        BundleError: the bundle is missing, changed, not signed by the key, or does not answer as it should
            on this machine.
        UsageError: an engine or device that there is not.
        DeviceError: this machine has no such device.
        DependencyError: the engine is not installed.
    """
    bundle = Bundle.open(path, verifier=settings.verifier)

    def open_graph(*, maps: bool) -> Backend:
        return open_backend(
            bundle,
            engine=settings.engine,
            device=settings.device,
            threads=settings.threads,
            mode=settings.mode,
            cache=settings.cache,
            maps=maps,
        )

    backend = open_graph(maps=False)
    _check_shapes(bundle, backend)
    if settings.verify == "full":
        check_parity(bundle, backend)
    return Loaded(
        bundle=bundle,
        backend=backend,
        maps=LazyMaps(lambda: open_graph(maps=True)),
        trace=_trace(bundle, settings),
    )


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A bundle that is what it says, and answers here as where it was made."""

    bundle: Bundle
    parity: Parity
    engine: str
    """What answered for the golden images."""
    key: str | None
    """Fingerprint of the public key that its signature was checked with, if one was given."""

    @property
    def signature(self) -> str:
        """The state of its signature, in words."""
        if self.key is not None:
            return f"Ed25519, by key {self.key}"
        return "there, not checked (give --key PUBLIC.pem)" if self.bundle.signed else "none"

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        manifest = self.bundle.manifest
        return {
            "bundle": str(self.bundle.path),
            "engine": self.engine,
            "digest": self.bundle.digest,
            "name": manifest.name,
            "precision": manifest.precision,
            "crops": manifest.preprocessing.crops,
            "classes": list(manifest.classes),
            "signature": {"present": self.bundle.signed, "checked_with": self.key},
            "files": {name: asdict(facts) for name, facts in manifest.files.items()},
            "golden": asdict(self.parity),
        }


def verify(
    path: Path, *, public_key: KeySource | None = None, engine: str = "openvino", device: str = "CPU"
) -> Verified:
    """Check a bundle completely; with a public key, its signature as well.

    Args:
        path: the bundle's folder.
        public_key: whose signature it has to bear, if any.
        engine: openvino or onnxruntime; the golden images run there.
        device: as for `open_backend`.

    Raises:
        BundleError: a file is missing, added, changed or a link, the manifest does not fit, the signature is
            missing or wrong, or the golden images get other answers on this machine.
        KeyFileError: `public_key` is no Ed25519 public key.
        UsageError: an engine or device that there is not.
        DeviceError: this machine has no such device.
        DependencyError: the engine is not installed.
    """
    verifier = None if public_key is None else Verifier(public_key)
    bundle = Bundle.open(path, verifier=verifier)
    backend = open_backend(bundle, engine=engine, device=device)
    _check_shapes(bundle, backend)
    return Verified(
        bundle=bundle,
        parity=check_parity(bundle, backend),
        engine=engine,
        key=None if verifier is None else verifier.fingerprint,
    )


def _trace(bundle: Bundle, settings: LoadSettings) -> Trace:
    manifest = bundle.manifest
    libraries = (settings.engine, "numpy", "pillow")
    return Trace(
        bundle=manifest.name,
        bundle_digest=bundle.digest,
        precision=manifest.precision,
        crops=manifest.preprocessing.crops,
        engine=settings.engine,
        device=settings.device,
        versions={"xopt": __version__, **{name: metadata.version(name) for name in libraries}},
    )


def _check_shapes(bundle: Bundle, backend: Backend) -> None:
    """Check that the graph takes and gives what preprocessing and classes ask for.

    Raises:
        BundleError: it does not.
    """
    size, classes = bundle.manifest.preprocessing.size, len(bundle.manifest.classes)
    if (backend.input_shape, backend.output_shape) != ((1, size, size), (1, classes)):
        raise BundleError(
            f"{bundle.path}: the graph maps {backend.input_shape} to {backend.output_shape}, "
            f"its manifest says {(1, size, size)} to {(1, classes)}; export it again"
        )
