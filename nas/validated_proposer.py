"""The guarantee: whatever a proposer returns, what is trained is canonical, allowed, distinct and new."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ..runtime.errors import UsageError
from .candidate_set import CandidateSet
from .problem import Problem, Proposer, Trial
from .proposers.baselines import Evolution, Random
from .proposers.surrogate import Surrogate, SurrogateSettings

PROPOSERS = ("surrogate", "thompson", "random", "evolution", "tpe", "gp", "nsga2")
DEFAULT = "surrogate"


@dataclass(kw_only=True)
class AnswerCounts:
    """Counts of a proposer's answers so far."""

    taken: int = 0
    """Networks passed on as they were proposed, up to canonical form."""
    invalid: int = 0
    """Answers that are no code of the space."""
    infeasible: int = 0
    """Networks beyond the limits."""
    repeated: int = 0
    """Networks that the history or the same answer holds already."""
    filled: int = 0
    """Networks that the fallback or a draw added."""


class ValidatedProposer:
    """A proposer whose answers are checked, and filled up by a fallback and at last by random draws."""

    def __init__(
        self,
        problem: Problem,
        proposer: Proposer,
        *,
        fallback: Proposer | None = None,
        candidates: CandidateSet | None = None,
    ) -> None:
        self.problem, self.proposer, self.fallback = problem, proposer, fallback
        self.candidates = candidates or CandidateSet(problem)
        self.counts = AnswerCounts()

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """Up to `k` networks, canonical, allowed, distinct, none in `history`.

        Fewer come only where the space has no more.
        """
        taken = {self.problem.space.canonical(trial.code) for trial in history}
        chosen = list(islice(self._checked(self.proposer.propose(history, k), taken), k))
        self.counts.taken += len(chosen)
        own = len(chosen)
        for filler in (self.fallback, Random(self.problem, candidates=self.candidates)):
            if filler is not None and len(chosen) < k:
                running = [*history, *(Trial(code=code) for code in chosen)]
                rest = k - len(chosen)
                chosen += islice(self._checked(filler.propose(running, rest), taken), rest)
        self.counts.filled += len(chosen) - own
        return chosen

    def _checked(self, codes: Sequence[str], taken: set[str]) -> Iterator[str]:
        """Pass on the networks of an answer that may be trained; each is then taken."""
        for code in codes:
            try:
                own = self.problem.space.canonical(code)
            except UsageError:
                self.counts.invalid += 1
                continue
            if own in taken:
                self.counts.repeated += 1
            elif not self.candidates.allows(own):
                self.counts.infeasible += 1
            else:
                taken.add(own)
                yield own


def make_proposer(name: str, problem: Problem, *, upgrades_help: bool = True) -> ValidatedProposer:
    """A proposer by name, with the guarantee around it; what is missing is drawn at random.

    Args:
        name: one of PROPOSERS.
        problem: what is searched.
        upgrades_help: whether the surrogate may believe beforehand that larger operations help a little.

    Raises:
        UsageError: an unknown name.
        DependencyError: optuna is not installed.
    """
    candidates = CandidateSet(problem)
    return ValidatedProposer(problem, _make(name, problem, candidates, upgrades_help), candidates=candidates)


def check_proposer(name: str) -> None:
    """Check that a proposer is one of PROPOSERS.

    Raises:
        UsageError: it is not.
    """
    if name not in PROPOSERS:
        raise UsageError(f"unknown proposer {name!r}; known are {', '.join(PROPOSERS)}")


def _make(name: str, problem: Problem, candidates: CandidateSet, upgrades_help: bool) -> Proposer:
    check_proposer(name)
    if name in ("surrogate", "thompson"):
        choice = "ucb" if name == "surrogate" else "thompson"
        settings = SurrogateSettings(choice=choice, upgrades_help=upgrades_help)
        return Surrogate(problem, settings, candidates=candidates)
    if name == "random":
        return Random(problem, candidates=candidates)
    if name == "evolution":
        return Evolution(problem, candidates=candidates)
    from .proposers.optuna_samplers import OptunaSampler

    return OptunaSampler(problem, name)
