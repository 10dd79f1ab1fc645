"""Proposers that every other one has to beat: random draws, and aging evolution (Real et al. 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtime.errors import UsageError
from ..candidate_set import CandidateSet
from ..problem import Known, Problem, Trial


class Random:
    """Every code of the space is about as likely as any other."""

    def __init__(self, problem: Problem, *, candidates: CandidateSet | None = None) -> None:
        self.problem, self.candidates = problem, candidates or CandidateSet(problem)

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks; see nas.problem.Proposer."""
        random = np.random.default_rng([self.problem.seed, len(history)])
        return self.candidates.draw(random, k, without=Known.of(history, self.problem).taken)


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings:
    """The two numbers of aging evolution."""

    population: int = 10
    """The youngest results that may have offspring; as many networks are drawn at random first."""
    sample: int = 4
    """Of the population, how many compete for each offspring."""

    def __post_init__(self) -> None:
        if not 1 <= self.sample <= self.population:
            raise UsageError(f"evolution samples 1 to {self.population} of its population, got {self.sample}")


class Evolution:
    """The best of a few among the youngest is changed in one digit, once more until it is new."""

    def __init__(
        self,
        problem: Problem,
        settings: EvolutionSettings | None = None,
        *,
        candidates: CandidateSet | None = None,
    ) -> None:
        self.problem, self.settings = problem, settings or EvolutionSettings()
        self.candidates = candidates or CandidateSet(problem)

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks; see nas.problem.Proposer."""
        known = Known.of(history, self.problem)
        random = np.random.default_rng([self.problem.seed, len(history)])
        taken, chosen = set(known.taken), list[str]()
        for _ in range(k):
            code = self._offspring(known, taken, random)
            if code is None:
                code = next(iter(self.candidates.draw(random, 1, without=taken)), None)
            if code is None:
                break
            chosen.append(code)
            taken.add(code)
        return chosen

    def _offspring(self, known: Known, taken: set[str], random: np.random.Generator) -> str | None:
        """A new network from the winner of a draw; None while the first population is incomplete."""
        population = list(zip(known.values, known.done, strict=True))[-self.settings.population :]
        if len(population) < self.settings.population:
            return None
        drawn = random.choice(len(population), size=self.settings.sample, replace=False)
        code = max(population[index] for index in drawn)[1]
        for _ in self.problem.space.choices:
            near = self.candidates.neighbours(code)
            new = [other for other in near if other not in taken]
            if new:
                return new[int(random.integers(len(new)))]
            if not near:
                return None
            code = near[int(random.integers(len(near)))]
        return None
