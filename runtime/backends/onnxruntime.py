"""The ONNX Runtime backend: a bundle's model.onnx on the CPU, without OpenVINO.

Nothing here, and nothing imported from here, imports openvino.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import MAPS, OUTPUT
from ..errors import BundleError
from ..requires import need
from .base import check_image, check_probabilities, check_threads, closed, no_maps, reason, usable_cores

_PROVIDER = "CPUExecutionProvider"
_BATCH = "batch"
"""What xopt's exports name the open dimension."""
_ERRORS_ONLY = 3
_NOWHERE = "/dev/null/nowhere"
"""A folder that cannot be: tensors outside of the verified bytes would be looked up there."""


class OnnxRuntimeBackend:
    """A bundle's ONNX graph on the CPU provider.

    Thread-safe: ONNX Runtime's `run` is. Bit-identical over runs and thread counts
    on one machine.

    Args:
        onnx: the bytes of the graph, weights included.
        threads: threads for one inference; all cores by default.

    Raises:
        UsageError: threads below 1.
        DependencyError: onnxruntime is not installed.
        BundleError: ONNX Runtime cannot load the graph, or it is not one image to one row of answers.
    """

    def __init__(self, onnx: bytes, *, threads: int | None = None) -> None:
        check_threads(threads)
        self._failures = import_onnxruntime()[1]
        try:
            session = open_session(onnx, threads=threads)
        except self._failures as error:
            raise BundleError(
                f"ONNX Runtime cannot load the model ({reason(error)}); export it again"
            ) from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if (len(inputs), [output.name for output in outputs]) not in ((1, [OUTPUT]), (1, [OUTPUT, MAPS])):
            raise BundleError(
                f"the ONNX graph has {len(inputs)} inputs and the outputs "
                f"{[output.name for output in outputs]}, needed are one and {[OUTPUT, MAPS]}; export it again"
            )
        self._session = session
        self._outputs = [output.name for output in outputs]
        self._input = inputs[0].name
        self.input_shape = _static(inputs[0].shape)
        self.output_shape = _static(outputs[0].shape)

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of one resized image; see `Backend.infer`."""
        return check_probabilities(self._run(image_HW, OUTPUT))

    def activation_maps(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Activation maps float32 (V, C, H, W) of one resized image; see `Backend.activation_maps`."""
        if MAPS not in self._outputs:
            raise no_maps()
        return self._run(image_HW, MAPS)

    def _run(self, image_HW: NDArray[np.uint8], output: str) -> NDArray[np.float32]:
        image_HW = check_image(image_HW, self.input_shape[1:])
        session = self._session
        if session is None:
            raise closed()
        try:
            (answers,) = session.run([output], {self._input: image_HW[np.newaxis]})
        except self._failures as error:
            raise BundleError(f"ONNX Runtime cannot run the model ({reason(error)})") from error
        return np.array(answers[0], dtype=np.float32)

    def close(self) -> None:
        """Let go of the session; calls that are under way finish."""
        self._session = None


def import_onnxruntime() -> tuple[Any, tuple[type[Exception], ...]]:
    """The onnxruntime module without its telemetry, and the errors that it raises.

    Raises:
        DependencyError: it is not installed.
    """
    need("onnxruntime", extra="onnxruntime")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    onnxruntime.disable_telemetry_events()
    # They share no base class but Exception.
    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return onnxruntime, (*own, RuntimeError, ValueError)


def open_session(onnx: bytes, *, threads: int | None = None) -> Any:
    """An InferenceSession of a graph's bytes on the CPU, quiet and bit-identical over runs."""
    runtime, _ = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ONLY
    # Idle threads that spin would take the cores from the device's other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
    options.add_free_dimension_override_by_name(_BATCH, 1)
    return runtime.InferenceSession(onnx, options, providers=[_PROVIDER])


def _static(shape: list[int | str | None]) -> tuple[int, ...]:
    """A shape in which an open dimension counts as a batch of one."""
    return tuple(side if isinstance(side, int) else 1 for side in shape)
