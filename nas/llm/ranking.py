"""Which of the model's candidates are worth a training that the surrogate would have spent otherwise.

The surrogate scores every network it knows of, so by its own score nothing of the model's can beat what it
would choose itself. What the model's word adds is therefore estimated, as one more coefficient:

    target = surrogate's mean + bonus * [named by the model] + noise,    bonus ~ N(0, spread^2)

where `spread` is the surrogate's own uncertainty about its first choice, and the coefficient's posterior
follows from the model's candidates that were trained (normal prior, normal noise). Two rules:

1. A candidate is taken in place of the surrogate's choice if its score with the bonus (mean + spread of both)
   is no lower than that choice's score.
2. Of the networks proposed, at most every second one is the model's, and the first is not.

The first rule lets a model that knows something in, and one whose candidates do no better than expected out:
the bonus shrinks with the root of what was tried. The second holds whatever the model says: after 2 N
trainings the surrogate has had at least N of its own choices.

Shape suffixes: N networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..problem import Trial
from .memory import Pick

Array = NDArray[np.float64]

_LEAST_SPREAD = 1e-9


class Ranker(Protocol):
    """A proposer that can say what it expects, and so ranks."""

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """See `problem.Proposer`."""
        ...

    def expect(
        self, history: Sequence[Trial], codes: Sequence[str], *, place: int = 0
    ) -> tuple[Array, Array, float]:
        """Means float64 (N,) and standard deviations (N,) of networks' targets, and that of the noise.

        `place` names the network of `propose(history, k)` whose choice they explain.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Bonus:
    """Posterior of the bonus for the model's networks, in the target's units."""

    mean: float
    spread: float


def bonus(picks: Mapping[str, Pick], targets: Mapping[str, float], *, prior: float) -> Bonus:
    """The posterior of the coefficient: normal prior, and a residual for each of the model's networks.

    Args:
        picks: what was proposed, by code.
        targets: what the trained ones came to, by code.
        prior: standard deviation before anything is known.
    """
    precision, weighted = prior**-2, 0.0
    for code, pick in picks.items():
        if pick.by_model and code in targets:
            precision += pick.spread**-2
            weighted += (targets[code] - pick.mean) * pick.spread**-2
    return Bonus(mean=weighted / precision, spread=precision**-0.5)


def choose(
    surrogate: Ranker,
    history: Sequence[Trial],
    k: int,
    *,
    offers: Sequence[str],
    picks: Mapping[str, Pick],
    targets: Mapping[str, float],
) -> list[Pick]:
    """Up to `k` networks, the surrogate's and the model's, by the two rules.

    Args:
        surrogate: what ranks.
        history: what is known.
        k: networks wanted.
        offers: the model's candidates: canonical, allowed, distinct, not in `history`.
        picks: what was proposed before, by code.
        targets: what the trained networks came to, by code, in the units of `Ranker.expect`.
    """
    own = surrogate.propose(history, k)
    # What both name is the surrogate's: it costs nothing to follow the model there.
    codes = [*own, *(code for code in offers if code not in own)]
    by_model, total = sum(pick.by_model for pick in picks.values()), len(picks)
    chosen: list[Pick] = []
    mine, left = list(range(len(own))), list(range(len(own), len(codes)))
    while len(chosen) < k and (mine or left):
        place = len(own) - len(mine)
        mean_N, spread_N, noise = surrogate.expect(history, codes, place=place)
        spread_N = np.maximum(spread_N, _LEAST_SPREAD)
        score_N = mean_N + spread_N
        left.sort(key=lambda n: -score_N[n])
        fair = 2 * (by_model + 1) <= total + 1
        taken = not mine
        if mine and left and fair:
            worth = bonus(picks, targets, prior=float(spread_N[mine[0]]))
            taken = bool(score_N[left[0]] + worth.mean + worth.spread >= score_N[mine[0]])
        n = (left if taken else mine).pop(0)
        by_model += taken
        total += 1
        spread = float(np.hypot(spread_N[n], noise))
        chosen.append(Pick(code=codes[n], by_model=taken, mean=float(mean_N[n]), spread=spread))
    return chosen
