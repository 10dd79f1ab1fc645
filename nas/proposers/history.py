"""What a history says, in the form proposers need."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ..problem import Problem, Trial


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
