"""What one worker gets: a GPU, or a share of the CPU cores."""

import os
from dataclasses import dataclass
from pathlib import Path

from ...runtime.backends.base import usable_cores

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What a machine with GPUs has: NVIDIA's, Windows's for Linux guests, AMD's."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where one candidate trains at a time."""

    name: str
    """For people: `gpu 0`, `cpu, 1 thread`."""
    environment: dict[str, str]
    """Variables of the worker's process; thread pools read them when they are first loaded."""


def share_devices(workers: int | None = None) -> tuple[Device, ...]:
    """One device for each worker.

    With GPUs, workers take them in turn; otherwise each gets an equal share of the cores that this process
    may use, at least one.

    Args:
        workers: how many; None takes one for each GPU, or for every four cores where there is none.
    """
    cores = usable_cores()
    gpus = _gpus()
    count = workers or len(gpus) or max(1, cores // 4)
    threads = max(1, cores // count)
    environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    if gpus:
        return tuple(
            Device(
                name=f"gpu {gpus[place % len(gpus)]}",
                environment={**environment, "CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]},
            )
            for place in range(count)
        )
    plural = "s" if threads > 1 else ""
    return (Device(name=f"cpu, {threads} thread{plural}", environment=environment),) * count


def _gpus() -> tuple[str, ...]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    # PyTorch takes seconds to import, and the search itself has no other use for it.
    if not any(Path(driver).exists() for driver in _DRIVERS):
        return ()
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible is None:
        return tuple(map(str, range(count)))
    return tuple(name.strip() for name in visible.split(",") if name.strip())[:count]
