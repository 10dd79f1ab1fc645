"""The OpenVINO backend: one compiled graph, answers that never depend on threads, batches or neighbours."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import MAPS, Manifest
from ..errors import BundleError, DeviceError, UsageError
from ..graph_check.check import check_graph, check_inferred, check_ports, graph_ports
from ..graph_check.text import Graph
from .base import (
    DEVICES,
    check_image,
    check_probabilities,
    check_threads,
    closed,
    no_maps,
    reason,
    usable_cores,
)
from .model_cache import ModelCache

if TYPE_CHECKING:
    import openvino

PRECISION_HINT = "f32"
"""Pinned: OpenVINO's CPU plugin computes in bf16 where the CPU has it, a GPU in f16; neither is FP32."""
BF16_HINT = "bf16"
"""For bundles whose manifest says BF16. A CPU without it computes in FP32, within their tolerance."""

_FAILURES = (RuntimeError, ValueError, IndexError, MemoryError)
"""What OpenVINO's C++ exceptions become in Python."""

FAST_START = {"SNIPPETS_MODE": "DISABLE"}
"""Leaves out the fusions that take half of the time to compile (docs/decisions/0051)."""


class OpenVINOBackend:
    """A bundle's IR on one of OpenVINO's devices.

    Thread-safe: each call takes an InferRequest of its own from a pool, since one request shared between
    threads hands out other images' answers. On a CPU bit-identical over runs and thread counts: the
    precision is pinned, the shapes are static.

    Args:
        xml: the IR's topology.
        weights: the IR's constants. Loaded from memory, never mapped from a file that may change.
        device: one of DEVICES, or one of several GPUs by number (`GPU.1`). AUTO is the GPU where there is
            one, else the CPU.
        threads: threads for one inference; all cores by default. Matters on a CPU only.
        throughput: run as many images at once as there are threads, one thread each.
        maps: also compute activation maps; without, that part of the graph is cut off before it is compiled.
        manifest: what the graph has to fit, where there is one already.
        cache: where the compiled graph is kept; nowhere by default.

    Raises:
        UsageError: a device that there is not, or threads below 1.
        DeviceError: this machine lacks the device, or it cannot run the graph.
        BundleError: the graph is none that xopt writes, does not fit its manifest, or OpenVINO cannot read
            or compile it.
    """

    def __init__(
        self,
        xml: bytes,
        weights: bytes,
        *,
        device: str = "CPU",
        threads: int | None = None,
        throughput: bool = False,
        maps: bool = False,
        manifest: Manifest | None = None,
        cache: ModelCache | None = None,
    ) -> None:
        check_threads(threads)
        check_device(device)
        graph = check_graph(xml, weights)
        if manifest is not None:
            check_ports(graph, manifest.inputs, manifest.outputs)
        core = import_openvino().Core()
        self.device = choose_device(device, core.available_devices)
        lowered = manifest is not None and manifest.precision == "BF16" and self.device == "CPU"
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": BF16_HINT if lowered else PRECISION_HINT,
            "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
        }
        if throughput and self.device == "CPU":
            # The hint alone may choose fewer streams, of several threads each.
            self._settings["NUM_STREAMS"] = threads or usable_cores()
        if threads is not None and self.device == "CPU":
            self._settings["INFERENCE_NUM_THREADS"] = threads
        # The tensor only borrows the array's memory, so the array has to live as long as the graph.
        self._weights = np.frombuffer(weights, dtype=np.uint8)
        self._maps = maps
        self._compiled: Any = None
        self._load(core, graph, xml, cache)
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of one resized image; see `Backend.infer`."""
        return check_probabilities(self._run(image_HW, 0))

    def activation_maps(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Activation maps float32 (V, C, H, W) of one resized image; see `Backend.activation_maps`."""
        if self._compiled is not None and len(self._compiled.outputs) < 2:
            raise no_maps()
        return self._run(image_HW, 1)

    def _run(self, image_HW: NDArray[np.uint8], output: int) -> NDArray[np.float32]:
        image_HW = check_image(image_HW, self.input_shape[1:])
        with self._request() as request:
            # share_inputs would let OpenVINO write into the caller's array.
            request.infer([image_HW[np.newaxis]], share_inputs=False, share_outputs=True)
            return np.array(request.get_output_tensor(output).data[0], dtype=np.float32)

    def close(self) -> None:
        """Let go of the compiled graph; calls that are under way finish."""
        self._compiled = None
        self._idle = SimpleQueue()

    def _load(self, core: Any, graph: Graph, xml: bytes, cache: ModelCache | None) -> None:
        try:
            self._compiled = self._cached(core, graph, xml, cache)
        except _FAILURES as error:
            if self.device != "CPU":
                raise DeviceError(
                    f"{self.device} cannot run this graph in {PRECISION_HINT} ({reason(error)}); "
                    "use the device CPU"
                ) from error
            raise BundleError(f"OpenVINO cannot load the model ({reason(error)}); export it again") from error
        inputs, outputs = graph_ports(graph)
        self.input_shape, self.output_shape = inputs[0].shape, outputs[0].shape

    def _cached(self, core: Any, graph: Graph, xml: bytes, cache: ModelCache | None) -> Any:
        if cache is None:
            return self._compile(core, graph, xml)
        key = cache.key(
            engine_version=import_openvino().get_version(),
            device=str(core.get_property(self.device, "FULL_DEVICE_NAME")),
            settings={**self._settings, **FAST_START, "device": self.device, "maps": self._maps},
        )
        blob = cache.load(key)
        if blob is not None:
            try:
                return core.import_model(BytesIO(blob), self.device, self._settings)
            except _FAILURES:
                # Compiling is always there, and writes a blob that this OpenVINO reads.
                pass
        compiled = self._compile(core, graph, xml)
        cache.store(key, compiled.export_model().getvalue())
        return compiled

    def _compile(self, core: Any, graph: Graph, xml: bytes) -> Any:
        ov = import_openvino()
        model = core.read_model(xml, ov.Tensor(self._weights))
        check_inferred(graph, model, ov)
        if not self._maps:
            drop_maps(model)
        return compile_graph(core, model, self.device, self._settings)

    @contextmanager
    def _request(self) -> "Iterator[openvino.InferRequest]":
        compiled, idle = self._compiled, self._idle
        if compiled is None:
            raise closed()
        try:
            request = idle.get_nowait()
        except Empty:
            request = compiled.create_infer_request()
        try:
            yield request
        finally:
            idle.put(request)


def compile_graph(core: Any, model: "openvino.Model", device: str, settings: dict[str, Any]) -> Any:
    """Compile a model, on a CPU without the fusions that take half of the time (docs/decisions/0051)."""
    if device != "CPU":
        return core.compile_model(model, device, settings)
    try:
        return core.compile_model(model, device, {**settings, **FAST_START})
    except RuntimeError as error:
        # The setting is not a documented one: an OpenVINO that has lost it compiles as it does by default.
        if not any(name in str(error) for name in FAST_START):
            raise
        return core.compile_model(model, device, settings)


def drop_maps(model: "openvino.Model") -> None:
    """Cut the activation maps off a model, so that nobody pays for them who did not ask."""
    for result in model.get_results():
        if MAPS in result.input(0).get_source_output().get_names():
            model.remove_result(result)


def check_device(device: str) -> None:
    """Check that a device is one that OpenVINO knows, here or on another machine.

    Raises:
        UsageError: it is not.
    """
    kind, _, number = device.partition(".")
    if kind not in DEVICES or (number and not (kind in ("GPU", "NPU") and number.isdigit())):
        raise UsageError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")


def choose_device(device: str, present: Sequence[str]) -> str:
    """The device to compile for: the one asked for, or for AUTO the GPU where there is one, else the CPU.

    OpenVINO's own AUTO answers from the CPU until the GPU is ready and then changes over, and an image's
    answer would depend on when it came. An NPU computes in f16 only, so AUTO never takes it.

    Args:
        device: as `check_device` lets pass.
        present: OpenVINO's devices on this machine (`CPU`, `GPU.0`, `GPU.1`).

    Raises:
        DeviceError: this machine has no such device.
    """
    kinds = {name.partition(".")[0] for name in present}
    if device == "AUTO":
        device = "GPU" if "GPU" in kinds else "CPU"
    if device not in (*kinds, *present):
        raise DeviceError(
            f"no device {device} on this machine, OpenVINO finds {', '.join(present) or 'none'}; "
            "choose one of them, or install the driver"
        )
    return device


def import_openvino() -> Any:
    """The openvino module, imported without its telemetry."""
    with without_telemetry():
        import openvino

    return openvino


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import openvino or nncf inside this block, and they send nothing.

    `import openvino` alone sends an event (openvino.tools.ovc does), with no opt-in asked. Both packages
    fall back to a stub of their own where `openvino_telemetry` cannot be imported; a None entry in
    sys.modules is Python's documented way to make it so.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
