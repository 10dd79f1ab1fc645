"""Networks drawn at random: what every other proposer has to beat."""

from collections.abc import Sequence

import numpy as np

from ..candidate_set import CandidateSet
from ..problem import Problem, Trial
from .history import Known


class Random:
    """Every code of the space is about as likely as any other."""

    def __init__(self, problem: Problem, *, candidates: CandidateSet | None = None) -> None:
        self.problem, self.candidates = problem, candidates or CandidateSet(problem)

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks; see nas.problem.Proposer."""
        random = np.random.default_rng([self.problem.seed, len(history)])
        return self.candidates.draw(random, k, without=Known.of(history, self.problem).taken)
