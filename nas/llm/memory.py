"""State of a proposer with a language model, from one proposal to the next and across a kill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PASSED_OVER = 64
"""Candidates that are kept for later."""
_PATIENCE = 3
"""Proposals in a row without a word of the model, after which it rests."""
_REST = 10
"""Proposals for which it is not asked then."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A network that was proposed, and what was expected of it."""

    code: str
    by_model: bool
    mean: float
    """Expected by the surrogate, in its target's units."""
    spread: float
    """Standard deviation of that, above 0."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One proposal."""

    answered: bool | None
    """Whether the model said anything; None where it rested."""
    offers: Sequence[str]
    """Candidates of the model that were new."""
    picks: Sequence[Pick]


@dataclass(kw_only=True)
class Memory:
    """Changed by `add` alone, so that a log read again brings back what was known."""

    proposals: int = 0
    asked: int = 0
    answered: int = 0
    passed_over: dict[str, None] = field(default_factory=dict)
    """The model's candidates that were passed over, the newest first."""
    picks: dict[str, Pick] = field(default_factory=dict)
    silent: int = 0
    """Proposals in a row without a word of the model."""
    rest: int = 0
    """Proposals for which it will not be asked."""

    @property
    def by_model(self) -> int:
        """Networks that were taken from the model."""
        return sum(pick.by_model for pick in self.picks.values())

    def add(self, made: Made) -> None:
        """Take in what a proposal came to."""
        self.proposals += 1
        self.picks.update({pick.code: pick for pick in made.picks})
        together = dict.fromkeys([*made.offers, *self.passed_over])
        self.passed_over = dict.fromkeys([code for code in together if code not in self.picks][:_PASSED_OVER])
        if made.answered is None:
            self.rest -= 1
            return
        self.asked += 1
        self.answered += made.answered
        self.silent = 0 if made.answered else self.silent + 1
        if self.silent >= _PATIENCE:
            self.silent, self.rest = 0, _REST

    @classmethod
    def restored(cls, lines: Sequence[Mapping[str, Any]]) -> "Memory":
        """Restore the memory that the proposals of a log left.

        Raises:
            KeyError, TypeError, ValueError: a line is not as the log has a `Made`.
        """
        memory = cls()
        for line in lines:
            if line["kind"] != "proposal":
                continue
            picks = [
                Pick(
                    code=str(pick["code"]),
                    by_model=bool(pick["by_model"]),
                    mean=float(pick["mean"]),
                    spread=float(pick["spread"]),
                )
                for pick in line["picks"]
            ]
            answered = None if line["answered"] is None else bool(line["answered"])
            memory.add(Made(answered=answered, offers=list(map(str, line["offers"])), picks=picks))
        return memory
