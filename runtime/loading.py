"""From a bundle's folder to a graph that answers: the one way in, for a first load and for a reload."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .backend import Backend, open_backend
from .bundle import Bundle
from .errors import BundleError
from .golden import check_parity


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How bundles are loaded."""

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

    def __post_init__(self) -> None:
        if self.verify not in ("full", "digest"):
            raise ValueError(f"verify must be 'full' or 'digest', got {self.verify!r}.")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A bundle and the graph made of it: what one answer comes from, wholly."""

    bundle: Bundle
    backend: Backend


def load_bundle(path: Path | str, settings: LoadSettings) -> Loaded:
    """Hash, check and compile a bundle.

    Raises:
        BundleError: the bundle is missing, changed, or does not answer as it should on this machine.
        UsageError: an engine or device that there is not.
        DeviceError: this machine has no such device.
        DependencyError: the engine is not installed.
    """
    bundle = Bundle.open(path)
    backend = open_backend(
        bundle,
        engine=settings.engine,
        device=settings.device,
        threads=settings.threads,
        cache=settings.cache,
    )
    check_shapes(bundle, backend)
    if settings.verify == "full":
        check_parity(bundle, backend)
    return Loaded(bundle=bundle, backend=backend)


def check_shapes(bundle: Bundle, backend: Backend) -> None:
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
