"""The candidates of a search: their states, assignments and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..problem import Trial


class State(StrEnum):
    """The state of a candidate."""

    WAITING = "waiting"
    """Taken, and not on a device: the search was ended while it trained."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Ended early by successive halving: its value is the best of the epochs it had."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One candidate as it is sent to a worker."""

    number: int
    """The candidate's, from 1."""
    code: str
    """In canonical form."""
    architecture: str
    """The name by which `models.registry.build` builds the network."""
    input_size: int
    """Side in pixels of what it is trained on."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a candidate's training, as the worker saw it."""

    value: float
    """The objective, the more the better."""
    curve: tuple[float, ...] = ()
    """The objective after each epoch."""
    seconds: float = 0.0
    """On the device."""
    stopped: bool = False
    """Whether successive halving ended it early."""
    run: Path | None = None
    """The run folder with its checkpoint, where one was written."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One row of a search."""

    number: int
    """From 1, in the order of asking; B's iteration."""
    code: str
    """In canonical form."""
    state: State
    parameters: int
    macs: int
    latency_ms: float | None = None
    """As predicted for the canonical code; None where nobody predicts it."""
    value: float | None = None
    """The objective; None until it ended, and where it failed."""
    epochs: int = 0
    """Trained so far."""
    curve: tuple[float, ...] = ()
    """The objective after each of them."""
    seconds: float = 0.0
    """On the device; 0 until it ended."""
    reason: str = ""
    """Why it failed."""
    deaths: int = 0
    """How many workers died while they had it."""
    cached: bool = False
    """Whether its outcome was known from another search."""
    owner: str = ""
    """The id of the search folder that has it in hand."""
    trial: int = 0
    """Its id in the storage."""

    @property
    def is_open(self) -> bool:
        """True until it has ended."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def memory_mb(self) -> float:
        """Megabytes (1e6 bytes) of the weights in float32."""
        return self.parameters * 4 / 1e6

    def as_trial(self, *, value: float | None = None) -> Trial:
        """The trial that proposers see, with `value` in place of a value that was measured too early."""
        known = value if value is not None else self.value
        return Trial(code=self.code, value=known, failed=self.state is State.FAILED)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "iteration": self.number,
            "architecture": self.code,
            "state": str(self.state),
            "value": self.value,
            "parameters": self.parameters,
            "macs": self.macs,
            "memory_mb": self.memory_mb,
            "hours": self.seconds / 3600,
            "latency_ms": self.latency_ms,
            "epochs": self.epochs,
            "curve": list(self.curve),
            "cached": self.cached,
            "reason": self.reason or None,
        }


def best_of(rows: Sequence[Candidate]) -> list[Candidate]:
    """The candidates trained to the end, best first; of equals the one proposed earlier."""
    done = [row for row in rows if row.state is State.DONE and row.value is not None]
    return sorted(done, key=lambda row: (-(row.value or 0.0), row.number))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other one is at least as good as in both, and better in one.

    Args:
        points: (value, the more the better; cost, the less the better) each.

    Returns:
        in rising order of cost; of several equal points, the first.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i)):
        if not front or points[index][0] > points[front[-1]][0]:
            front.append(index)
    return front
