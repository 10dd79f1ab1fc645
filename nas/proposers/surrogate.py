"""A Bayesian linear model of what is known scores every network that is left: the default proposer.

Upper confidence bounds whose width is drawn anew for every network (Berk et al. 2021, randomised UCB), or
Thompson sampling. Running networks count with the value that the model expects of them (Ginsbourger et al.
2010), so that several can be asked for at once.

Shape suffixes: N networks, F features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import UsageError
from ..candidate_set import CandidateSet
from ..problem import Known, Problem, Trial
from .bayes import Posterior, Scales, condition, fit

CHOICES = ("ucb", "thompson")

Array = NDArray[np.float64]
Score = Callable[[Array], Array]

# Of a space too large to list: how much of it is looked at for each network asked for.
_DRAWN, _CLIMBERS, _ROUNDS = 200, 8, 12


@dataclass(frozen=True, kw_only=True)
class SurrogateSettings:
    """Settings of the surrogate's choice."""

    choice: str = "ucb"
    """One of CHOICES."""
    exploration: float = 1.0
    """Mean of the drawn number of standard deviations that `ucb` adds to what is expected."""
    upgrades_help: bool = True
    """Whether the model may believe beforehand that each step up of an operation helps a little. The results
    decide how much, and every second network is asked for without it; off, nothing is believed of size."""

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise UsageError(f"choice must be one of {', '.join(CHOICES)}, got {self.choice!r}")
        if not 0 <= self.exploration < float("inf"):
            raise UsageError(f"exploration must be at least 0, got {self.exploration}")


class Surrogate:
    """Proposes what the model thinks most of; the same history gives the same answer."""

    def __init__(
        self,
        problem: Problem,
        settings: SurrogateSettings | None = None,
        *,
        candidates: CandidateSet | None = None,
    ) -> None:
        self.problem, self.settings = problem, settings or SurrogateSettings()
        self.candidates = candidates or CandidateSet(problem)

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks, most wanted first; see nas.problem.Proposer."""
        known = Known.of(history, self.problem)
        random = np.random.default_rng([self.problem.seed, len(history)])
        taken, running = set(known.taken), list(known.running)
        chosen: list[str] = []
        while len(chosen) < k:
            scales = self._scales(known, believing=_believes(history, len(chosen)))
            score = self._score(self._posterior(scales, known, running), random)
            code = self._best(score, known, taken, random)
            if code is None:
                break
            chosen.append(code)
            taken.add(code)
            running.append(code)
        return chosen

    def scores(self, history: Sequence[Trial], codes: Sequence[str]) -> Array:
        """Score networks that somebody else names: float64 (N,), the more the better.

        Expectation plus `exploration` standard deviations, in units of -log(ceiling - value).

        Raises:
            UsageError: one is no code of the space.
        """
        if not codes:
            return np.zeros(0)
        known = Known.of(history, self.problem)
        posterior = self._posterior(self._scales(known, believing=True), known, known.running)
        mean_N, deviation_N = posterior.predict(self.problem.space.features(codes))
        return mean_N + self.settings.exploration * deviation_N

    def expect(
        self, history: Sequence[Trial], codes: Sequence[str], *, place: int = 0
    ) -> tuple[Array, Array, float]:
        """Predict networks that somebody else names, in units of -log(ceiling - value).

        Args:
            history: what is known.
            codes: networks of the space.
            place: of `propose(history, k)[place]`, whose model it is that expects.

        Returns:
            The means, float64 (N,), and standard deviations (N,) of their targets without noise, and the
            standard deviation of the noise.

        Raises:
            UsageError: one is no code of the space.
        """
        known = Known.of(history, self.problem)
        scales = self._scales(known, believing=_believes(history, place))
        mean_N, deviation_N = self._posterior(scales, known, known.running).predict(self._features(codes))
        return mean_N, deviation_N, scales.scale * scales.ratio**0.5

    def _scales(self, known: Known, *, believing: bool) -> Scales:
        upgrades_help = believing and self.settings.upgrades_help
        return fit(self._features(known.done), known.targets_N, upgrades_help=upgrades_help).scales

    def _posterior(self, scales: Scales, known: Known, running: Sequence[str]) -> Posterior:
        seen = condition(scales, self._features(known.done), known.targets_N)
        if not running:
            return seen
        expected_N = seen.predict(self._features(running))[0]
        return condition(
            scales,
            self._features([*known.done, *running]),
            np.concatenate([known.targets_N, expected_N]),
            centre=seen.centre,
        )

    def _features(self, codes: Sequence[str]) -> Array:
        if codes:
            return self.problem.space.features(codes)
        # The width of no rows is that of any row.
        return self.problem.space.features(["0" * len(self.problem.space.choices)])[:0]

    def _score(self, posterior: Posterior, random: np.random.Generator) -> Score:
        if self.settings.choice == "thompson":
            return posterior.sample(random)
        width = random.exponential(self.settings.exploration) if self.settings.exploration else 0.0

        def bound(features_NF: Array) -> Array:
            mean_N, deviation_N = posterior.predict(features_NF)
            return mean_N + width * deviation_N

        return bound

    def _best(self, score: Score, known: Known, taken: set[str], random: np.random.Generator) -> str | None:
        """The network with the highest score that is not taken."""
        if not self.candidates.enumerable:
            return self._climb(score, known, taken, random)
        codes, places, features_NF = self.candidates.all_networks()
        scores_N = score(features_NF)
        scores_N[[places[code] for code in taken if code in places]] = -np.inf
        if not len(scores_N) or scores_N.max() == -np.inf:
            return None
        # Ties are broken at random and not by the code.
        return codes[int(random.choice(np.flatnonzero(scores_N == scores_N.max())))]

    def _climb(self, score: Score, known: Known, taken: set[str], random: np.random.Generator) -> str | None:
        """Random draws and the neighbours of the best, climbed until no neighbour scores higher."""
        best_known = [known.done[index] for index in np.argsort(-known.targets_N)[:_CLIMBERS]]
        looked_at: dict[str, float] = {}
        fresh = {*self.candidates.draw(random, _DRAWN), *best_known}
        top: list[str] = []
        for _ in range(_ROUNDS):
            codes = sorted(fresh - looked_at.keys())
            if not codes:
                break
            scores_N = score(self._features(codes))
            looked_at.update(zip(codes, scores_N.tolist(), strict=True))
            top = sorted(looked_at, key=lambda code: (-looked_at[code], code))[:_CLIMBERS]
            fresh = {other for code in top for other in self.candidates.neighbours(code)}
        free = [code for code in looked_at if code not in taken]
        return min(free, key=lambda code: (-looked_at[code], code), default=None)


def _believes(history: Sequence[Trial], place: int) -> bool:
    """True where a network is chosen with the prior that size helps: for every second one.

    Where the belief is wrong, it would keep on asking for large networks that teach nothing.
    """
    return (len(history) + place) % 2 == 0
