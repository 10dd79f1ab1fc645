"""Which finalist is better, and whether the images can tell: several trainings each, intervals over patients.

The AUC of a network is the mean over its trainings. A replicate of the bootstrap draws patients with
replacement, the same for all networks, which pairs them (Field & Welsh 2007), and then draws among each
network's trainings, since another seed would have given another network.

Shapes: N images, C classes, R replicates, S trainings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...metrics.bootstrap import Interval, replicate_aucs, row_means, two_sided_p_value
from ...metrics.scores import Labels, Scores, mean_auc
from ...runtime.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One finalist among the others."""

    code: str
    aucs: tuple[float, ...]
    """Mean AUC of each training."""
    interval: Interval
    """95 %, of the mean over trainings."""
    behind: float
    """Mean AUC of the best finalist minus that of this one; 0 for the best."""
    behind_interval: Interval
    """95 %, paired."""
    p_value: float
    """Two-sided, of no difference from the best; 1 for the best itself."""

    @property
    def auc(self) -> float:
        """Mean over trainings."""
        return float(np.mean(self.aucs))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "auc": self.auc,
            "auc_ci": self.interval.to_json(),
            "seeds_auc": list(self.aucs),
            "behind": self.behind,
            "behind_ci": self.behind_interval.to_json(),
            "p_value": self.p_value,
        }


def compare_finalists(
    labels_NC: Labels,
    answers: Mapping[str, Sequence[Scores]],
    patients: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Standing]:
    """Rank finalists on the same images.

    Args:
        labels_NC: 0 or 1, (N, C).
        answers: by code, the scores (N, C) of each of its trainings, at least one.
        patients: N names; images with the same name are drawn together.
        resamples: replicates.
        seed: of the draws.

    Returns:
        best mean AUC first; of equals the one that came first in `answers`.

    Raises:
        DataError: no class has both labels.
        ValueError: the arrays do not fit each other.
    """
    aucs = {code: tuple(_auc(labels_NC, scores) for scores in runs) for code, runs in answers.items()}
    ranked = sorted(aucs, key=lambda code: -float(np.mean(aucs[code])))
    draws = {"resamples": resamples, "seed": seed}
    replicates = {
        code: _over_trainings(
            np.stack([row_means(replicate_aucs(labels_NC, s, patients, **draws)) for s in runs], axis=1),
            seed=[seed, place],
        )
        for place, (code, runs) in enumerate(answers.items())
    }
    best = ranked[0]
    return [_standing(code, best, aucs, replicates) for code in ranked]


def _over_trainings(aucs_RS: NDArray[np.float64], *, seed: list[int]) -> NDArray[np.float64]:
    """In each replicate, the mean over as many trainings drawn with replacement: float64 (R,)."""
    drawn_RS = np.random.default_rng(seed).integers(aucs_RS.shape[1], size=aucs_RS.shape)
    means: NDArray[np.float64] = np.take_along_axis(aucs_RS, drawn_RS, axis=1).mean(axis=1)
    return means


def _standing(
    code: str,
    best: str,
    aucs: Mapping[str, tuple[float, ...]],
    replicates: Mapping[str, NDArray[np.float64]],
) -> Standing:
    interval = _interval(replicates[code])
    if code == best:
        nothing = Interval(lower=0.0, upper=0.0)
        return Standing(
            code=code, aucs=aucs[code], interval=interval, behind=0.0, behind_interval=nothing, p_value=1.0
        )
    behind_R = replicates[best] - replicates[code]
    behind_R = behind_R[~np.isnan(behind_R)]
    return Standing(
        code=code,
        aucs=aucs[code],
        interval=interval,
        behind=float(np.mean(aucs[best]) - np.mean(aucs[code])),
        behind_interval=_interval(behind_R),
        p_value=two_sided_p_value(behind_R),
    )


def _interval(values_R: NDArray[np.float64]) -> Interval:
    lower, upper = np.nanpercentile(values_R, [2.5, 97.5]).tolist()
    return Interval(lower=lower, upper=upper)


def _auc(labels_NC: Labels, scores_NC: Scores) -> float:
    auc = mean_auc(labels_NC, scores_NC)
    if auc is None:
        raise DataError("no class of the split val has both labels, so finalists cannot be compared")
    return auc
