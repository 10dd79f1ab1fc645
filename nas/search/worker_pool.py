"""Worker pools: several candidates train at a time, each ends when it ends."""

from dataclasses import dataclass
from typing import Protocol

from .candidates import Assignment, Outcome


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One candidate left its device."""

    assignment: Assignment
    outcome: Outcome | None = None
    error: Exception | None = None
    """Why there is no outcome."""
    died: bool = False
    """Whether the process ended under it: killed, or out of memory."""


class WorkerPool(Protocol):
    """Places to train in. None waits for another one."""

    @property
    def size(self) -> int:
        """Number of candidates it takes at a time."""
        ...

    def submit(self, assignment: Assignment) -> None:
        """Start a candidate; there must be a free place."""
        ...

    def wait(self, timeout_s: float) -> list[Ended]:
        """Candidates ended since the last call; waits for the first one, at most `timeout_s` seconds."""
        ...

    def close(self) -> None:
        """Give the places up; what still runs is killed."""
        ...


class Evaluator(Protocol):
    """Trains candidates in a worker."""

    def evaluate(self, assignment: Assignment) -> Outcome:
        """Train a candidate."""
        ...


class Objective(Protocol):
    """Plain values that travel to the workers and become an evaluator there."""

    def open(self) -> Evaluator:
        """Called once in each worker."""
        ...
