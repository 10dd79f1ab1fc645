"""The asynchronous search: whenever a candidate ends, one more is asked for, and nobody waits for another."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from ...runtime.errors import DataError, DependencyError, OutputError, StoppedError, UsageError, XoptError
from ..problem import Problem, Proposer, Trial
from .candidates import Assignment, Candidate, Outcome, State
from .halving import full_value
from .interrupts import Interrupted, Interrupts
from .outcome_files import Results
from .settings import Budget
from .trial_store import TrialStore
from .worker_pool import Ended, WorkerPool

_LOOK_S = 1.0
_BEAT_S = 30.0
_DEATHS = 2
"""A candidate under which so many workers died is given up."""
_HOPELESS = 3
"""A search whose first so many candidates all failed is given up."""
_NOT_THE_NETWORK = (UsageError, DataError, DependencyError, OutputError)
"""What no other network would mend: it ends the search."""


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Callbacks on the progress of a search; each is called between two steps."""

    ended: Callable[[Candidate, Sequence[Candidate]], None] = lambda row, rows: None
    """A candidate ended; beside it all candidates."""
    looked: Callable[[Sequence[Candidate]], None] = lambda rows: None
    """Called about once a second with all candidates."""
    curve: Callable[[str], tuple[float, ...]] = lambda code: ()
    """What is known so far of a running candidate's objective, epoch by epoch."""


@dataclass(kw_only=True)
class Engine:
    """One process's part in a search."""

    problem: Problem
    proposer: Proposer
    store: TrialStore
    results: Results
    pool: WorkerPool
    budget: Budget
    watcher: Watcher = field(default_factory=Watcher)
    latency_ms: Callable[[str], float] | None = None
    """Predicts the latency of a canonical code, to be written beside it."""
    clock: Callable[[], float] = time.monotonic
    """In seconds."""

    def __post_init__(self) -> None:
        self._running: dict[str, Candidate] = {}
        self._queue: list[str] = []
        self._exhausted = False
        self._waiting: Callable[[], AbstractContextManager[None]] = nullcontext
        self._started = self.clock()
        self._beaten = self._started
        self._hours_before = self.store.hours

    @property
    def hours(self) -> float:
        """Wall time of this search, all its runs together."""
        return self._hours_before + (self.clock() - self._started) / 3600

    def run(self, interrupts: Interrupts | None = None) -> str:
        """Search until the budget is spent, or a signal asks for the end.

        Returns:
            why it ended, in words.

        Raises:
            XoptError: no candidate can be trained, whatever its network; what had ended is kept.
        """
        self._waiting = nullcontext if interrupts is None else interrupts.waiting
        try:
            self._recover()
            while True:
                spent = self._fill()
                if not self._running:
                    return spent or "the space has no more networks within the limits"
                with self._waiting():
                    ended = self.pool.wait(_LOOK_S)
                for one in ended:
                    self._take(one)
                self._look()
        except Interrupted:
            return "interrupted"
        finally:
            self._put_back()

    def _recover(self) -> None:
        """Settle what an earlier run of this search left open."""
        rows = self.store.candidates()
        known = {row.code for row in rows}
        for code, outcome in self.results:
            # The storage was lost or damaged; what the folder knows is written down again.
            if code not in known:
                self._begin(code, outcome)
        for row in rows:
            if not row.is_open or row.owner != self.store.owner:
                continue
            found = self.results.find(row.code)
            if found is None:
                self._queue.append(row.code)
                continue
            self.store.finish(row, found)

    def _fill(self) -> str | None:
        """Put a candidate on every free device; returns why no more are asked for, None if some are."""
        self._beat()
        while len(self._running) < self.pool.size:
            rows = self.store.candidates()
            if self._queue:
                self._start(self._queue.pop(0), rows)
                continue
            spent = self.budget.spent(rows, hours=self.hours)
            if spent:
                return spent
            free = min(self.pool.size - len(self._running), self.budget.candidates - len(rows))
            asked = [] if self._exhausted else self._propose(rows, free)
            if not asked:
                self._exhausted = True
                return None
            for code in asked:
                self._begin(code, self.results.find_shared(code))
        return None

    def _propose(self, rows: Sequence[Candidate], count: int) -> list[str]:
        with self._waiting():
            codes = self.proposer.propose(history_of(rows), count)
        taken = {row.code for row in rows}
        # Whoever proposes gives this guarantee; a search of days does not rest on it.
        fresh = [code for code in dict.fromkeys(codes) if code not in taken and self.problem.allowed(code)]
        if codes and not fresh:
            raise XoptError(f"the proposer came with {', '.join(codes)} only, which are taken or not allowed")
        return fresh[:count]

    def _begin(self, code: str, outcome: Outcome | None = None) -> None:
        latency_ms = None if self.latency_ms is None else self.latency_ms(code)
        row = self.store.begin(code, latency_ms=latency_ms)
        if row is None:
            return
        if outcome is not None:
            self.store.finish(row, outcome, cached=True)
            self._tell(row.code)
            return
        self._submit(row)

    def _start(self, code: str, rows: Sequence[Candidate]) -> None:
        """One that was begun before: by this search, or by a machine that is dead."""
        row = next((row for row in rows if row.code == code), None)
        if row is None:
            self._begin(code, self.results.find(code))
            return
        self.store.resubmit(row)
        self._submit(row)

    def _submit(self, row: Candidate) -> None:
        self._running[row.code] = row
        space = self.problem.space
        self.pool.submit(
            Assignment(
                number=row.number,
                code=row.code,
                architecture=space.architecture(row.code),
                input_size=space.input_size(row.code),
            )
        )

    def _take(self, ended: Ended) -> None:
        row = self._as_known(self._running.pop(ended.assignment.code))
        self._exhausted = False
        if row is None:
            return
        if ended.outcome is not None:
            self.store.finish(row, ended.outcome)
            self._tell(row.code)
            return
        died = ended.died or isinstance(ended.error, StoppedError)
        if died and row.deaths + 1 < _DEATHS:
            self.store.note(row, {"deaths": row.deaths + 1})
            self._queue.append(row.code)
            return
        if isinstance(ended.error, _NOT_THE_NETWORK):
            raise ended.error
        self.store.fail(row, " ".join(str(ended.error).split()))
        self._tell(row.code)
        self._give_up_if_hopeless(ended.error)

    def _give_up_if_hopeless(self, error: Exception | None) -> None:
        states = [row.state for row in self.store.candidates() if not row.is_open]
        if len(states) >= _HOPELESS and all(state is State.FAILED for state in states):
            raise XoptError(f"all of the first {len(states)} candidates failed, the last one so: {error}")

    def _as_known(self, row: Candidate) -> Candidate | None:
        """With as much of its curve as the storage has; None where others took this machine for dead.

        A machine that slept for an hour finds its rows withdrawn, and what it trained in other hands.
        """
        return next((known for known in self.store.candidates() if known.trial == row.trial), None)

    def _tell(self, code: str) -> None:
        rows = self.store.candidates()
        self.watcher.ended(next(row for row in rows if row.code == code), rows)

    def _look(self) -> None:
        """Write down how far the running ones are."""
        for row in self.store.candidates():
            if row.code in self._running:
                self.store.draw(row, self.watcher.curve(row.code))
        self.watcher.looked(self.store.candidates())

    def _beat(self) -> None:
        if self.clock() - self._beaten < _BEAT_S:
            return
        self._beaten = self.clock()
        self.store.beat(hours=self.hours)
        self._queue += self.store.reclaim()

    def _put_back(self) -> None:
        """However the run ends, what trains is stopped and waits for the next one."""
        self.pool.close()
        for row in self.store.candidates():
            if row.state is not State.RUNNING or row.owner != self.store.owner:
                continue
            outcome = self.results.find(row.code)
            if outcome is None:
                self.store.put_back(row)
                continue
            # It ended, and nobody had asked yet.
            self.store.finish(row, outcome)
        self.store.beat(hours=self.hours)


def history_of(rows: Sequence[Candidate]) -> list[Trial]:
    """Candidates as proposers see them; one that was ended early counts with what it would have come to."""
    complete = [row.curve for row in rows if row.state is State.DONE]
    return [
        row.as_trial(value=full_value(row.curve, complete) if row.state is State.STOPPED else None)
        for row in rows
    ]
