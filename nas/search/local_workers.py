"""Worker processes on this machine, one for each device, that live as long as the search."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from ...benchmarks.workers import Worker
from ...runtime.backends.base import usable_cores
from ...runtime.errors import XoptError
from .candidates import Assignment
from .worker_pool import Ended, Evaluator, Objective

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What a machine with GPUs has: NVIDIA's, Windows's for Linux guests, AMD's."""
_LOOK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU or a share of the cores, on which one candidate trains at a time."""

    name: str
    """For people: `gpu 0`, `cpu, 1 thread`."""
    environment: dict[str, str]
    """Variables of the worker's process; thread pools read them when they are first loaded."""


@dataclass(frozen=True)
class _Orphanless:
    """An objective whose worker ends when the search does, however that ended."""

    objective: Objective
    parent: int
    """Process id of the search."""

    def open(self) -> Evaluator:
        # SIGTERM may go to the whole group of processes; the search decides what becomes of its workers.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=self._watch, daemon=True).start()
        return self.objective.open()

    def _watch(self) -> None:
        # Killed for good, a search tells nobody; its children are then handed to another parent.
        while os.getppid() == self.parent:
            time.sleep(_LOOK_S)
        os._exit(1)


class LocalWorkerPool:
    """One process for each device; one that dies is replaced when its device is needed again."""

    def __init__(self, objective: Objective, devices: tuple[Device, ...]) -> None:
        self._opener = _Orphanless(objective, os.getpid())
        self._ended: SimpleQueue[Ended] = SimpleQueue()
        self._free = [_Place(self._opener, device, number) for number, device in enumerate(devices, 1)]
        self._busy: dict[str, _Place] = {}
        self.size = len(devices)

    def submit(self, assignment: Assignment) -> None:
        """Start a candidate on a free device."""
        place = self._free.pop(0)
        self._busy[assignment.code] = place
        place.thread = threading.Thread(target=self._train, args=(place, assignment), daemon=True)
        place.thread.start()

    def wait(self, timeout_s: float) -> list[Ended]:
        """Candidates ended since the last call; waits for the first one, at most `timeout_s` seconds."""
        ended: list[Ended] = []
        try:
            ended.append(self._ended.get(timeout=timeout_s))
            while True:
                ended.append(self._ended.get_nowait())
        except Empty:
            pass
        for one in ended:
            self._free.append(self._busy.pop(one.assignment.code))
        return ended

    def pids(self) -> dict[str, int]:
        """Process ids of the workers, by the code each trains."""
        return {code: place.worker.pid for code, place in self._busy.items() if place.worker is not None}

    def close(self) -> None:
        """Kill what runs and end the other workers."""
        for place in (*self._busy.values(), *self._free):
            place.end()

    def _train(self, place: "_Place", assignment: Assignment) -> None:
        try:
            self._ended.put(place.train(assignment))
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost, and the search would wait for ever
            self._ended.put(Ended(assignment=assignment, error=error))


class _Place:
    """A device and the process on it."""

    def __init__(self, opener: _Orphanless, device: Device, number: int) -> None:
        self.opener, self.device, self.number = opener, device, number
        self.worker: Worker | None = None
        self.thread: threading.Thread | None = None
        self._closed = False

    def train(self, assignment: Assignment) -> Ended:
        """Called in a thread of its own; returns when the candidate has ended."""
        if self.worker is None:
            name = f"worker {self.number} ({self.device.name})"
            self.worker = Worker(name, self.opener, environment=self.device.environment)
        worker = self.worker
        if self._closed:
            worker.kill()
        try:
            return Ended(assignment=assignment, outcome=worker.call("evaluate", assignment).value)
        except XoptError as error:
            died = worker.has_ended
            # What an error leaves behind, a broken CUDA context or filled memory, goes with the process.
            self.worker = None
            worker.kill()
            worker.close()
            return Ended(assignment=assignment, error=error, died=died)

    def end(self) -> None:
        """Kill the process, and see the thread that waits for it end."""
        self._closed = True
        worker = self.worker
        if worker is not None:
            worker.kill()
        if self.thread is not None:
            self.thread.join()
        if self.worker is not None:
            self.worker.close()


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
