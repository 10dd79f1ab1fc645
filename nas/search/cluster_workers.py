"""Candidates on the workers of a cluster: Dask's, or the ranks of an MPI program.

The search's folder and the data must be on a disk that all machines see, under the same path. A worker that
is told to stop finishes what it is at: its outcome is in the folder, for the search to find when it resumes.
"""

import os
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from ...datasets.executors import Workers
from ...runtime.errors import ClusterError
from .candidates import Assignment, Outcome
from .worker_pool import Ended, Evaluator, Objective

_LAUNCHER = ("RANK", "WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
_kept: tuple[Objective, Evaluator] | None = None


class ClusterWorkerPool:
    """The workers of an executor, each with one candidate at a time."""

    def __init__(self, objective: Objective, workers: Workers) -> None:
        self._objective, self._workers = objective, workers
        self._ended: SimpleQueue[tuple[Assignment, Future[Outcome]]] = SimpleQueue()
        self._futures: dict[str, Future[Outcome]] = {}
        self.size = workers.count

    def submit(self, assignment: Assignment) -> None:
        """Start a candidate on a free worker.

        Raises:
            ClusterError: the workers are gone.
        """
        future = self._workers.submit(evaluate, self._objective, assignment)
        self._futures[assignment.code] = future
        future.add_done_callback(lambda done: self._ended.put((assignment, done)))

    def wait(self, timeout_s: float) -> list[Ended]:
        """Candidates ended since the last call; waits for the first one, at most `timeout_s` seconds."""
        ended: list[Ended] = []
        try:
            ended.append(self._settle(*self._ended.get(timeout=timeout_s)))
            while True:
                ended.append(self._settle(*self._ended.get_nowait()))
        except Empty:
            return ended

    def close(self) -> None:
        """Ask for nothing more; what runs is left to end by itself."""
        for future in self._futures.values():
            future.cancel()

    def _settle(self, assignment: Assignment, future: "Future[Outcome]") -> Ended:
        self._futures.pop(assignment.code, None)
        try:
            return Ended(assignment=assignment, outcome=self._workers.result(future))
        except ClusterError as error:
            return Ended(assignment=assignment, error=error, died=True)
        except Exception as error:  # noqa: BLE001 - whatever it was, it was this candidate's
            return Ended(assignment=assignment, error=error)


def evaluate(objective: Objective, assignment: Assignment) -> Outcome:
    """Train a candidate; runs in a worker."""
    # A rank of an MPI program is no part of a shared training: each trains a network of its own.
    for name in _LAUNCHER:
        os.environ.pop(name, None)
    return _opened(objective).evaluate(assignment)


def _opened(objective: Objective) -> Evaluator:
    """The evaluator of this process: labels and images are read once, not for each candidate."""
    global _kept
    if _kept is None or _kept[0] != objective:
        _kept = (objective, objective.open())
    return _kept[1]
