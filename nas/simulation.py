"""A search on a table: what a proposer finds, with workers in flight, over many seeds.

Nothing is trained; the table's accuracies are handed out when a simulated worker is done.
"""

import heapq
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ..runtime.errors import UsageError
from .problem import Problem, Trial
from .space import Limits
from .tabular_benchmarks import Table, load_table
from .validated_proposer import DEFAULT, check_proposer, make_proposer

DURATIONS = ("flops", "lognormal")
_JITTER, _SPREAD = 0.1, 0.5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FEW = 4
"""Seeds up to which another process does not pay."""


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """One kind of search, repeated."""

    proposer: str = DEFAULT
    """One of nas.validated_proposer.PROPOSERS."""
    budget: int = 20
    """Networks trained in one search."""
    seeds: int = 100
    """Searches, with seeds 0, 1, ..."""
    workers: int = 1
    """Networks in flight; the next is asked for as soon as one is done."""
    noisy: bool = False
    """Whether the search sees the accuracy of one run instead of the mean; it is judged on the mean."""
    durations: str = "flops"
    """How long a training takes: in proportion to its FLOPs, give or take a tenth, or lognormal."""
    upgrades_help: bool = True
    """See SurrogateSettings."""
    limits: Limits = Limits()  # noqa: RUF009  frozen
    """What a network may cost."""

    def __post_init__(self) -> None:
        check_proposer(self.proposer)
        for name in ("budget", "seeds", "workers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.durations not in DURATIONS:
            raise UsageError(f"durations must be one of {', '.join(DURATIONS)}, got {self.durations!r}")


@dataclass(frozen=True, kw_only=True)
class Search:
    """The result of one simulated search."""

    codes: tuple[str, ...]
    """In the order in which they were asked for."""
    found: str
    """The network with the best accuracy that the search saw."""
    best: float
    """Its mean accuracy."""
    rank: int
    """Of `best`, among all strings of the table."""
    duplicates: int
    """Networks trained a second time."""
    infeasible: int
    """Networks trained that are beyond the limits or not in the table."""
    hours: float
    """Simulated time, in trainings of median length."""
    busy: float
    """Share of the workers' time spent training."""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """All searches of a simulation."""

    table: str
    strings: int
    networks: int
    settings: SimulationSettings
    searches: tuple[Search, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        ranks = [search.rank for search in self.searches]
        median, low, high = (float(np.percentile(ranks, share)) for share in (50, 10, 90))
        return {
            "table": self.table,
            "strings": self.strings,
            "networks": self.networks,
            "proposer": self.settings.proposer,
            "budget": self.settings.budget,
            "seeds": self.settings.seeds,
            "workers": self.settings.workers,
            "noisy": self.settings.noisy,
            "best_mean": fmean(search.best for search in self.searches),
            "rank": {"median": median, "p10": low, "p90": high},
            "duplicates": sum(search.duplicates for search in self.searches),
            "infeasible": sum(search.infeasible for search in self.searches),
            "simulated_time": fmean(search.hours for search in self.searches),
            "busy": fmean(search.busy for search in self.searches),
        }

    def to_text(self) -> str:
        """A few lines for people."""
        facts, rank = self.to_json(), self.to_json()["rank"]
        workers = f", {self.settings.workers} workers" if self.settings.workers > 1 else ""
        return "\n".join(
            [
                f"{self.table}: {self.strings} strings, {self.networks} networks",
                f"{self.settings.proposer}, {self.settings.budget} trainings, {self.settings.seeds} seeds"
                f"{workers}{', one noisy run each' if self.settings.noisy else ''}",
                f"best found   {facts['best_mean']:.3f} on average",
                f"its rank     median {rank['median']:g}, 80 % of seeds {rank['p10']:g} to {rank['p90']:g}",
                f"duplicates   {facts['duplicates']}",
                f"infeasible   {facts['infeasible']}",
            ]
        )


def simulate(table: Table | Path, settings: SimulationSettings, *, processes: int | None = None) -> Simulated:
    """Repeat a search on a table.

    Args:
        table: a table or its file. With a file, the searches are shared between processes.
        settings: which search.
        processes: at most so many; by default one a CPU core.

    Raises:
        DataError: the file is no table.
        UsageError: noise is wanted and the table has no single runs, or nothing is within the limits.
        DependencyError: the proposer's library is not installed.
    """
    opened = table if isinstance(table, Table) else load_table(table)
    if settings.noisy and not opened.noisy:
        raise UsageError(f"{opened.name} has no single runs (test_acc); simulate without noise")
    if not any(settings.limits.allow(opened.cost(code)) for code in opened.records):
        raise UsageError(f"no network of {opened.name} is within the limits; raise them")
    count = min(processes or os.cpu_count() or 1, ceil(settings.seeds / _FEW))
    if count == 1 or isinstance(table, Table):
        searches = _run_seeds(opened, settings, range(settings.seeds))
    else:
        parts = [range(start, settings.seeds, count) for start in range(count)]
        # A fresh interpreter: forking one with threads (torch, BLAS) can hang.
        with _one_thread_each(), ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(partial(_run_file, table, settings), parts))
        searches = [done[seed % count][seed // count] for seed in range(settings.seeds)]
    return Simulated(
        table=opened.name,
        strings=len(opened.records),
        networks=opened.networks,
        settings=settings,
        searches=tuple(searches),
    )


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile multiply matrices on one thread: small ones, for which more would spin."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _run_file(path: Path, settings: SimulationSettings, seeds: Sequence[int]) -> list[Search]:
    return _run_seeds(load_table(path), settings, seeds)


def _run_seeds(table: Table, settings: SimulationSettings, seeds: Sequence[int]) -> list[Search]:
    return [_Simulation(table, settings, seed).run() for seed in seeds]


class _Simulation:
    """One search on simulated workers."""

    def __init__(self, table: Table, settings: SimulationSettings, seed: int) -> None:
        self.table, self.settings = table, settings
        self.random = np.random.default_rng([seed, 1])
        self.problem = Problem(
            space=table, allowed=self._allowed, objective="accuracy", ceiling=table.ceiling, seed=seed
        )
        self.median_macs = float(np.median([record.macs or 0 for record in table.records.values()]))

    def _allowed(self, code: str) -> bool:
        return self.table.holds(code) and self.settings.limits.allow(self.table.cost(code))

    def run(self) -> Search:
        """Ask, hand out, tell, without a barrier between workers."""
        proposer = make_proposer(
            self.settings.proposer, self.problem, upgrades_help=self.settings.upgrades_help
        )
        history: list[Trial] = []
        running: list[tuple[float, int]] = []
        clock = busy = 0.0
        while True:
            free = min(self.settings.workers - len(running), self.settings.budget - len(history))
            for code in proposer.propose(history, free) if free else []:
                duration = self._duration(code)
                busy += duration
                heapq.heappush(running, (clock + duration, len(history)))
                history.append(Trial(code=code))
            if not running:
                return self._judge(history, clock, busy)
            clock, index = heapq.heappop(running)
            code = history[index].code
            history[index] = Trial(code=code, value=self._observe(code), failed=not self.table.holds(code))

    def _observe(self, code: str) -> float | None:
        if not self.table.holds(code):
            return None
        record = self.table.records[code]
        return float(self.random.choice(record.runs)) if self.settings.noisy else record.mean

    def _duration(self, code: str) -> float:
        """In trainings of median length."""
        if self.settings.durations == "lognormal" or not self.median_macs or not self.table.holds(code):
            return float(self.random.lognormal(0, _SPREAD))
        return self.table.cost(code).macs / self.median_macs * float(self.random.lognormal(0, _JITTER))

    def _judge(self, history: Sequence[Trial], clock: float, busy: float) -> Search:
        # Counted from the table itself, whatever the proposer and its guard believe.
        networks = {self.table.canonical(trial.code) for trial in history}
        infeasible = sum(not self._allowed(trial.code) for trial in history)
        seen = [(trial.value, trial.code) for trial in history if trial.value is not None]
        found = max(seen, key=lambda pair: pair[0])[1]
        best = self.table.records[found].mean
        return Search(
            codes=tuple(trial.code for trial in history),
            found=found,
            best=best,
            rank=self.table.rank(best),
            duplicates=len(history) - len(networks),
            infeasible=infeasible,
            hours=clock,
            busy=busy / (clock * self.settings.workers),
        )
