"""What a proposer is asked: a space, what is allowed, and what is known so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    """What is searched."""

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
