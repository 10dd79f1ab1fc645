"""The problem a proposer works on: a space, the networks allowed, and the trials so far.

Shape suffix: N networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .space import Space


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network that was asked for."""

    code: str
    """In canonical form."""
    value: float | None = None
    """What it came to, the more the better (a mean AUC, an accuracy in percent); None while it runs."""
    failed: bool = False
    """Whether it ended without a value. It is not asked for again, and nothing is learnt from it."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The space of a search, the networks allowed in it, and its objective."""

    space: Space
    allowed: Callable[[str], bool]
    """Whether a canonical code is within the limits: exact, cheap, no network is built."""
    objective: str = "mean AUC"
    """What a trial's value is, in words."""
    ceiling: float = 1.0
    """The value that no network can pass: 1 for an AUC, 100 for an accuracy in percent."""
    seed: int = 0
    latency_ms: Callable[[str], float] | None = None
    """Predicts what one image takes a canonical code; None where nobody does."""
    max_latency_ms: float | None = None
    """The largest prediction that `allowed` lets pass; None leaves it free."""


class Proposer(Protocol):
    """The one verb of a search."""

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks to try next, most wanted first.

        What comes back is canonical, allowed, distinct, and not in `history`, whose running trials count as
        taken. It is shorter than `k` only where the space has no more.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Known:
    """A history taken apart. Codes are canonical."""

    done: tuple[str, ...]
    """Networks with a value, in the history's order."""
    values: tuple[float, ...]
    """Of `done`."""
    targets_N: NDArray[np.float64]
    """-log(ceiling - value) of `done`: equal steps are equal shares of the error."""
    running: tuple[str, ...]
    """Networks without a value yet."""
    taken: frozenset[str]
    """All of them, with those that failed."""

    @classmethod
    def of(cls, history: Sequence[Trial], problem: Problem) -> "Known":
        """Read a history; a value that is not finite counts as a failure."""
        codes = [problem.space.canonical(trial.code) for trial in history]
        alive = [(code, trial.value) for code, trial in zip(codes, history, strict=True) if not trial.failed]
        done = [(code, value) for code, value in alive if value is not None and isfinite(value)]
        values = tuple(value for _, value in done)
        return cls(
            done=tuple(code for code, _ in done),
            values=values,
            targets_N=_targets(values, problem.ceiling),
            running=tuple(code for code, value in alive if value is None),
            taken=frozenset(codes),
        )


def _targets(values: Sequence[float], ceiling: float) -> NDArray[np.float64]:
    gaps_N = ceiling - np.array(values, dtype=np.float64)
    positive = gaps_N[gaps_N > 0]
    # A value at the ceiling is as good as half of the smallest error seen, not infinitely good.
    least = positive.min() / 2 if len(positive) else 1e-3 * max(abs(ceiling), 1e-3)
    return -np.log(np.maximum(gaps_N, least))
