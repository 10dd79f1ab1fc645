"""Engines that run a bundle's graph: OpenVINO and ONNX Runtime, alike behind one interface.

Neither of them is imported before a bundle is opened with it.
"""

from pathlib import Path

from ..bundle.bundle import MODEL, ONNX, WEIGHTS, Bundle
from ..errors import BundleError, UsageError
from .base import Backend

ENGINES = ("openvino", "onnxruntime")


def open_backend(
    bundle: Bundle,
    *,
    engine: str = "openvino",
    device: str = "CPU",
    threads: int | None = None,
    mode: str = "latency",
    maps: bool = False,
    cache: Path | None = None,
) -> Backend:
    """Load a bundle's verified bytes into an engine.

    Args:
        bundle: opened, so every byte was hashed.
        engine: one of ENGINES. openvino runs model.xml, onnxruntime runs model.onnx.
        device: one of DEVICES; ONNX Runtime has the CPU only.
        threads: threads for one inference; all cores by default. Matters on a CPU only.
        mode: latency runs one image on all threads, throughput as many images at once, on one thread each.
        maps: also compute activation maps, which `infer` alone does not need.
        cache: folder where OpenVINO's compiled graph is kept for the next start; nowhere by default.

    Raises:
        UsageError: an engine or a device that there is not, a cache for ONNX Runtime, or threads below 1.
        BundleError: the bundle holds nothing that this engine runs, its graph does not fit the manifest, or
            it cannot be loaded.
        DeviceError: this machine has no such device.
        DependencyError: the engine is not installed.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "onnxruntime":
        threads = 1 if mode == "throughput" else threads
        return _open_onnxruntime(bundle, device=device, threads=threads, cache=cache)
    from .model_cache import ModelCache
    from .openvino import OpenVINOBackend

    try:
        return OpenVINOBackend(
            bundle.read(MODEL),
            bundle.read(WEIGHTS),
            device=device,
            threads=threads,
            throughput=mode == "throughput",
            maps=maps,
            manifest=bundle.manifest,
            cache=None if cache is None else ModelCache(folder=cache, bundle_digest=bundle.digest),
        )
    except BundleError as error:
        raise BundleError(f"{bundle.path}: {error}") from error


def _open_onnxruntime(bundle: Bundle, *, device: str, threads: int | None, cache: Path | None) -> Backend:
    if cache is not None:
        raise UsageError("ONNX Runtime compiles nothing that could be kept; leave the cache out")
    if device != "CPU":
        raise UsageError(
            f"ONNX Runtime runs on the CPU only here, got device {device!r}; use the engine openvino"
        )
    if not bundle.has(ONNX):
        raise BundleError(
            f"{bundle.path} holds no {ONNX}, which the engine onnxruntime runs; use the engine openvino, or "
            "export or quantize the bundle again with this xopt"
        )
    from .onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(bundle.read(ONNX), threads=threads)
