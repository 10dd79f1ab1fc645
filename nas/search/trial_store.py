"""The candidates of a search in a storage of Optuna, in an order in which no crash can tear a row.

A candidate is born with its code and costs in one write, so that none is RUNNING without a network. It ends
in the write that sets its state; what is said of it before that can be said again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...runtime.errors import UsageError
from ..space import Space
from .candidates import Candidate, Outcome, State
from .storage import open_study, reading, without_password

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_STALE_S = 600.0
"""A machine that was not heard of for so long is taken for dead; clocks may differ by minutes."""


@dataclass(frozen=True, kw_only=True)
class TrialStore:
    """The rows of one search, some of which other machines may be working on."""

    url: str
    """Of the storage."""
    name: str
    """Of the study."""
    owner: str
    """The id of this search's folder. One process at a time works for it."""
    space: Space

    @classmethod
    def open(
        cls, url: str, name: str, *, owner: str, context: str, space: Space, objective: str
    ) -> "TrialStore":
        """Open a search's rows, and start them where there are none.

        Raises:
            UsageError: the rows are of another space, recipe or data.
            DataError, DependencyError: see `open_study`.
        """
        store = cls(url=url, name=name, owner=owner, space=space)
        with reading(url):
            known = store._study.user_attrs.get("context")
            if known not in (None, context):
                raise UsageError(
                    f"the search {name!r} in {without_password(url)} has another space, recipe or data; "
                    "choose another --study"
                )
            if known is None:
                store._study.set_user_attr("context", context)
                store._study.set_user_attr("objective", objective)
        store.beat(hours=store.hours)
        return store

    @cached_property
    def _study(self) -> "Study":
        return open_study(self.url, self.name, create=True)

    def candidates(self) -> list[Candidate]:
        """All rows by number, without the ones that were withdrawn."""
        return read_candidates(self._study, self.url)

    def begin(self, code: str, *, latency_ms: float | None) -> Candidate | None:
        """Take a network; None where another machine took it at the same time."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        cost = self.space.cost(code)
        facts = {
            "code": code,
            "owner": self.owner,
            "parameters": cost.parameters,
            "macs": cost.macs,
            "memory_mb": cost.memory_mb,
            **({} if latency_ms is None else {"latency_ms": latency_ms}),
        }
        layers = [f"layer {place:02d}" for place in range(1, len(code) + 1)]
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(zip(layers, map(int, code), strict=True)),
            distributions={
                layer: CategoricalDistribution(tuple(range(count)))
                for layer, count in zip(layers, self.space.choices, strict=True)
            },
            user_attrs=facts,
        )
        with reading(self.url):
            study = self._study
            study._storage.create_new_trial(study._study_id, template_trial=template)
        rows = [row for row in self.candidates() if row.code == code and row.state is not State.FAILED]
        mine = next(row for row in reversed(rows) if row.owner == self.owner)
        if rows[0].trial == mine.trial:
            return mine
        self._withdraw(mine)
        return None

    def resubmit(self, candidate: Candidate) -> None:
        """A waiting one runs again."""
        if candidate.state is State.WAITING:
            self._set_state(candidate, "RUNNING")

    def put_back(self, candidate: Candidate) -> None:
        """A running one waits for the search to be resumed."""
        self._set_state(candidate, "WAITING")

    def note(self, candidate: Candidate, facts: Mapping[str, Any]) -> None:
        """Keep something beside a candidate that has not ended."""
        with reading(self.url):
            for name, value in facts.items():
                self._study._storage.set_trial_user_attr(candidate.trial, name, value)

    def draw(self, candidate: Candidate, curve: tuple[float, ...]) -> None:
        """Keep the objective after each epoch, for a dashboard to draw."""
        with reading(self.url):
            for epoch, value in enumerate(curve, 1):
                if candidate.curve[epoch - 1 : epoch] != (value,):
                    self._study._storage.set_trial_intermediate_value(candidate.trial, epoch, value)

    def finish(self, candidate: Candidate, outcome: Outcome, *, cached: bool = False) -> None:
        """A candidate came to an outcome."""
        self.draw(candidate, outcome.curve)
        self.note(candidate, {"seconds": outcome.seconds, "cached": cached})
        state = "PRUNED" if outcome.stopped else "COMPLETE"
        self._set_state(candidate, state, value=outcome.value)

    def fail(self, candidate: Candidate, reason: str) -> None:
        """A candidate came to nothing."""
        self.note(candidate, {"reason": reason})
        self._set_state(candidate, "FAIL")

    def beat(self, *, hours: float) -> None:
        """Tell other machines that this one is alive, and how many hours it has worked."""
        with reading(self.url):
            self._study.set_user_attr(f"heard {self.owner}", time.time())
            self._study.set_user_attr(f"hours {self.owner}", hours)

    def close(self, why: str) -> None:
        """Keep why the search ended, in words, for whoever looks at it later."""
        with reading(self.url):
            self._study.set_user_attr(f"ended {self.owner}", why)

    @property
    def hours(self) -> float:
        """Wall time of this folder's search up to its last beat."""
        with reading(self.url):
            return float(self._study.user_attrs.get(f"hours {self.owner}", 0.0))

    def reclaim(self) -> list[str]:
        """Withdraw what dead machines had in hand; returns the codes, for somebody to take."""
        with reading(self.url):
            heard = self._study.user_attrs
        now = time.time()
        lost = [
            row
            for row in self.candidates()
            if row.is_open
            and row.owner != self.owner
            and now - float(heard.get(f"heard {row.owner}", 0.0)) > _STALE_S
        ]
        return [row.code for row in lost if self._withdraw(row)]

    def _withdraw(self, candidate: Candidate) -> bool:
        """Strike a row out; False where somebody else ended it first."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.note(candidate, {"withdrawn": True})
            self._set_state(candidate, "FAIL")
        except UpdateFinishedTrialError:
            return False
        return True

    def _set_state(self, candidate: Candidate, state: str, *, value: float | None = None) -> None:
        from optuna.trial import TrialState

        values = None if value is None else [value]
        with reading(self.url):
            self._study._storage.set_trial_state_values(candidate.trial, TrialState[state], values)


def read_candidates(study: "Study", url: str) -> list[Candidate]:
    """The rows of a study by number, without the ones that were withdrawn."""
    with reading(url):
        trials = study.get_trials(deepcopy=False)
    rows = sorted((t for t in trials if "withdrawn" not in t.user_attrs), key=lambda t: t.number)
    return [_candidate(trial, number) for number, trial in enumerate(rows, 1)]


def _candidate(trial: "FrozenTrial", number: int) -> Candidate:
    states = {"COMPLETE": State.DONE, "PRUNED": State.STOPPED, "FAIL": State.FAILED}
    facts, curve = trial.user_attrs, trial.intermediate_values
    state = states.get(trial.state.name) or State[trial.state.name]
    return Candidate(
        number=number,
        code=facts["code"],
        state=state,
        parameters=facts["parameters"],
        macs=facts["macs"],
        latency_ms=facts.get("latency_ms"),
        value=trial.value if state in (State.DONE, State.STOPPED) else None,
        epochs=len(curve),
        curve=tuple(curve[epoch] for epoch in sorted(curve)),
        seconds=facts.get("seconds", 0.0),
        reason=facts.get("reason", ""),
        deaths=facts.get("deaths", 0),
        cached=facts.get("cached", False),
        owner=facts["owner"],
        trial=trial._trial_id,
    )
