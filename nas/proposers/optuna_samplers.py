"""Optuna's samplers behind the one verb: TPE, a Gaussian process, NSGA-II.

A study in memory is asked; what the history holds and the study does not, a resumed search's past or a
network that another proposer named, is put into it first.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING

from ...runtime.requires import need
from ..problem import Problem, Trial

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "gp", "nsga2")
_ASKS = {"tpe": 20, "gp": 3, "nsga2": 20}
"""Asks for each network wanted: they repeat themselves, and gp takes a second for each."""
_POPULATION = 10


class OptunaSampler:
    """One of SAMPLERS. `nsga2` has two objectives, the value and the fewest multiply-accumulates."""

    def __init__(self, problem: Problem, sampler: str) -> None:
        need("optuna", extra="nas")
        import optuna

        if sampler == "gp":
            need("torch", "scipy", extra="nas")
        self.problem = problem
        self._two = sampler == "nsga2"
        self._asks = _ASKS[sampler]
        self._layers: dict[str, optuna.distributions.BaseDistribution] = {
            f"layer{place}": optuna.distributions.IntDistribution(0, 0)
            if count == 1
            else optuna.distributions.CategoricalDistribution(list(range(count)))
            for place, count in enumerate(problem.space.choices)
        }
        with quiet_optuna():
            self._study = optuna.create_study(
                sampler=_sampler(sampler, problem.seed),
                directions=["maximize", "minimize"] if self._two else ["maximize"],
            )
        self._open: dict[str, list[optuna.Trial]] = {}
        self._told: set[str] = set()

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks; see nas.problem.Proposer. Fewer where the sampler only repeats itself."""
        canonical = self.problem.space.canonical
        with quiet_optuna():
            for trial in history:
                self._tell(canonical(trial.code), trial)
            values = {canonical(t.code): t for t in history}
            chosen: list[str] = []
            for _ in range(self._asks * k):
                if len(chosen) == k:
                    break
                asked = self._study.ask(self._layers)
                code = canonical("".join(str(asked.params[name]) for name in self._layers))
                if code in values:
                    self._answer(asked, code, values[code])
                elif code in chosen or not self.problem.allowed(code):
                    self._answer(asked, code, None)
                else:
                    self._open.setdefault(code, []).append(asked)
                    chosen.append(code)
        return chosen

    def _tell(self, code: str, trial: Trial) -> None:
        """Bring the study up to a trial of the history."""
        if code in self._told:
            return
        if code not in self._open:
            # Enqueued and asked for, so that the sampler files it like its own.
            self._study.enqueue_trial({name: int(d) for name, d in zip(self._layers, code, strict=True)})
            self._open[code] = [self._study.ask(self._layers)]
        if trial.value is None and not trial.failed:
            return
        for asked in self._open.pop(code):
            self._answer(asked, code, trial)
        self._told.add(code)

    def _answer(self, asked: "optuna.Trial", code: str, trial: Trial | None) -> None:
        """Close a trial of the study: with its value, or as failed where there is none."""
        import optuna

        value = None if trial is None or trial.failed else trial.value
        if value is None or not isfinite(value):
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            return
        macs = float(self.problem.space.cost(code).macs)
        self._study.tell(asked, [value, macs] if self._two else [value])


def _sampler(name: str, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=seed)
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed)
    # With several in flight, running trials count as bad, so that TPE looks elsewhere.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's reports of trials and its warnings of experimental parts: neither concerns a user."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
