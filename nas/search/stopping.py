"""When a search has had enough: candidates, hours, or no progress."""

from collections.abc import Sequence
from dataclasses import dataclass

from .candidates import Candidate, State


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a search may spend; what is under way when it is spent still ends."""

    candidates: int
    """Networks, those that failed among them."""
    hours: float | None = None
    """Of wall time, over all the times it was resumed; None for as long as it takes."""
    patience: int | None = None
    """Candidates in a row without a better one after which it ends; None never ends for that."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ValueError(f"candidates must be at least 1, got {self.candidates}.")
        if self.hours is not None and not self.hours > 0:
            raise ValueError(f"hours must be above 0, got {self.hours}.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}.")

    def spent(self, rows: Sequence[Candidate], *, hours: float) -> str | None:
        """Why nothing more is asked for, in words; None while it goes on.

        Args:
            rows: all candidates, by number.
            hours: of wall time so far.
        """
        if len(rows) >= self.candidates:
            return f"the budget of {self.candidates} candidates is spent"
        if self.hours is not None and hours >= self.hours:
            return f"the budget of {self.hours:g} hours is spent"
        if self.patience is not None and _without_progress(rows) >= self.patience:
            return f"the last {self.patience} candidates brought nothing better"
        return None


def _without_progress(rows: Sequence[Candidate]) -> int:
    """How many whole or stopped trainings followed the best one, in the order of asking."""
    ended = [row for row in rows if row.state in (State.DONE, State.STOPPED) and row.value is not None]
    if not ended:
        return 0
    best = max(range(len(ended)), key=lambda place: (ended[place].value or 0.0, -place))
    return len(ended) - 1 - best
