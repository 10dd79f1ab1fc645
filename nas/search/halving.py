"""Asynchronous successive halving on epochs, by stopping.

The rule of Li et al. 2020 ("A System for Massively Parallel Hyperparameter Tuning", section 3, the stopping
variant): at a rung, a candidate goes on only if it is among the best 1/factor of all that have reached the
rung so far. Nobody waits at a rung, and a training that goes on was never interrupted, so that its learning
rate follows the whole schedule.

The curves lie as small files in the search's folder: a worker decides by itself, on whatever machine it is.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.files import make_folder, write_file


@dataclass(frozen=True, kw_only=True)
class Halving:
    """When a candidate is ended early."""

    factor: int = 3
    """One in `factor` passes each rung."""

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise ValueError(f"factor must be at least 2, got {self.factor}.")

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """After which of `epochs` epochs candidates are compared: epochs / factor, / factor^2, ..."""
        rungs = []
        while epochs > self.factor - 1:
            epochs = epochs // self.factor
            rungs.append(epochs)
        return tuple(reversed(rungs))

    def goes_on(self, value: float, others: Sequence[float]) -> bool:
        """Decide whether a candidate passes a rung that `others` have reached before it.

        The first `factor` pass in any case: among fewer than that there is no best 1/factor, and whoever
        proposes has to see a few whole trainings.
        """
        reached = len(others) + 1
        if reached <= self.factor:
            return True
        better = sum(other > value for other in others)
        return better < max(1, reached // self.factor)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The objective after each epoch of every candidate of a search, one file each."""

    folder: Path

    def write(self, code: str, curve: Sequence[float]) -> None:
        """Replace what is known of a candidate.

        Raises:
            OutputError: the disk refused.
        """
        make_folder(self.folder)
        write_file(self.folder / f"{code}.json", json.dumps(list(curve)), force=True)

    def read(self, code: str) -> tuple[float, ...]:
        """A candidate's curve; empty where there is none yet."""
        try:
            return tuple(float(value) for value in json.loads((self.folder / f"{code}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return ()

    def others(self, code: str, epoch: int) -> list[float]:
        """The best that each other candidate had reached after `epoch` epochs, of those that got so far."""
        return [max(curve[:epoch]) for other, curve in self._all() if other != code and len(curve) >= epoch]

    def _all(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        for path in self.folder.glob("*.json"):
            yield path.stem, self.read(path.stem)


def full_value(curve: Sequence[float], complete: Sequence[Sequence[float]]) -> float | None:
    """Estimate the value that a candidate ended early would have reached.

    Its best so far, plus the median of what the whole trainings still gained from the same epoch on. A
    proposer that took the early value as it stands would learn that the network is bad, not that it is young.

    Args:
        curve: the objective after each epoch it had, at least one.
        complete: curves of candidates that trained to the end.

    Returns:
        None where the curve is empty.
    """
    if not curve:
        return None
    gains = sorted(max(other) - max(other[: len(curve)]) for other in complete if len(other) > len(curve))
    gain = gains[len(gains) // 2] if gains else 0.0
    return max(curve) + gain
