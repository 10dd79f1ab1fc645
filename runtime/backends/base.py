"""The interface of a backend, and the checks that all of them make of threads, images and answers."""

import os
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError, InputError, UsageError

DEVICES = ("CPU", "GPU", "NPU", "AUTO")


class Backend(Protocol):
    """A bundle's graph, ready to run on an engine. Thread-safe."""

    input_shape: tuple[int, ...]
    """(1, size, size)."""
    output_shape: tuple[int, ...]
    """(1, C)."""

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of one resized image uint8 (size, size), a copy that stays as it is.

        Raises:
            InputError: the image has another shape or type, or the backend is closed.
            BundleError: the graph fails, or answers with something that is no probability.
        """
        ...

    def activation_maps(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Activation maps float32 (V, C, H, W) of one resized image: logits at every cell of every view.

        A copy that stays as it is.

        Raises:
            InputError: as for `infer`.
            BundleError: the graph fails, has no such output, or was opened without it.
        """
        ...

    def close(self) -> None:
        """Let go of the graph; `infer` raises InputError from then on."""
        ...


def check_threads(threads: int | None) -> None:
    """Check a number of threads.

    Raises:
        UsageError: it is below 1.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_image(image_HW: object, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Check that an image is what a graph takes, and hand it out contiguous.

    Args:
        image_HW: whatever the caller has.
        shape: (size, size).

    Raises:
        InputError: it is no uint8 array of this shape.
    """
    if not isinstance(image_HW, np.ndarray) or image_HW.dtype != np.uint8 or image_HW.shape != shape:
        found = f"{image_HW.dtype} {image_HW.shape}" if isinstance(image_HW, np.ndarray) else type(image_HW)
        raise InputError(f"the graph takes uint8 {shape}, got {found}; resize the image first")
    return np.ascontiguousarray(image_HW)


def check_probabilities(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Check that a graph's answer is finite and in 0..1.

    Raises:
        BundleError: it is not.
    """
    if not (np.isfinite(answer).all() and answer.min() >= 0 and answer.max() <= 1):
        raise BundleError(f"the graph answered {answer}, which are no probabilities; export it again")
    return answer


def no_maps() -> BundleError:
    """The error of a graph that gives no activation maps."""
    return BundleError(
        "the graph gives no activation maps, which heatmaps are made of; export it again with this xopt"
    )


def closed() -> InputError:
    """The error of a backend that was closed."""
    return InputError("this classifier is closed; load the bundle again")


def reason(error: Exception) -> str:
    """The last line of an engine's error, where they say what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
