"""Operating points: thresholds, what they give, and what a candidate changes about it.

Shapes: N images, C classes.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .scores import Labels, Scores, known

Rule = Literal["youden", "sensitivity", "specificity"]
RULES: tuple[Rule, ...] = ("youden", "sensitivity", "specificity")

SPECIFICITY = 0.9
"""At which sensitivities are compared."""
_BINS = 15


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A threshold and what it gives on the images it was chosen on."""

    threshold: float
    """A score at or above it is a positive prediction, 0..1 for probabilities."""
    sensitivity: float
    specificity: float


def choose(labels_N: Labels, scores_N: Scores, rule: Rule, target: float = 0.9) -> OperatingPoint | None:
    """Choose a class's threshold among its scores.

    Args:
        labels_N: (N,).
        scores_N: (N,).
        rule: `youden` makes sensitivity + specificity largest (Youden, Cancer 3 (1950) 32-35);
            `sensitivity` takes the highest threshold that still reaches the target, `specificity` the lowest
            one: each gives as much of the other as it can.
        target: the sensitivity or specificity wanted, 0..1; `youden` has none.

    Returns:
        None without both labels.

    Raises:
        ValueError: another rule, or a target outside 0..1.
    """
    labels_N, scores_N = known(labels_N, scores_N)
    if rule not in RULES:
        raise ValueError(f"a threshold's rule must be one of {', '.join(RULES)}, got {rule!r}.")
    if not 0 <= target <= 1:
        raise ValueError(f"a target must be in 0..1, got {target}.")
    positives, negatives = np.sort(scores_N[labels_N == 1]), np.sort(scores_N[labels_N == 0])
    if not positives.size or not negatives.size:
        return None
    thresholds_K = np.unique(scores_N)
    found_K = positives.size - np.searchsorted(positives, thresholds_K, side="left")
    spared_K = np.searchsorted(negatives, thresholds_K, side="left")
    # One division each: 93 of 100 is then 0.93, which 1 - 7 / 100 is not.
    sensitivity_K, specificity_K = found_K / positives.size, spared_K / negatives.size
    if rule == "youden":
        # In whole numbers of pairs, so that equal sums are equal; of several the lowest, which misses least.
        best = int(np.argmax(found_K * negatives.size + spared_K * positives.size))
    elif rule == "sensitivity":
        # The lowest threshold calls everything positive, so one always reaches the target.
        best = int(np.flatnonzero(sensitivity_K >= target)[-1])
    else:
        reaches = np.flatnonzero(specificity_K >= target)
        if not reaches.size:
            # Above the highest score nothing is called positive.
            above = float(np.nextafter(thresholds_K[-1], np.inf))
            return OperatingPoint(threshold=above, sensitivity=0.0, specificity=1.0)
        best = int(reaches[0])
    return OperatingPoint(
        threshold=float(thresholds_K[best]),
        sensitivity=float(sensitivity_K[best]),
        specificity=float(specificity_K[best]),
    )


def sensitivity_at(labels_N: Labels, scores_N: Scores, specificity: float) -> float | None:
    """The sensitivity at the lowest threshold that has this specificity; None without both labels."""
    point = choose(labels_N, scores_N, "specificity", specificity)
    return None if point is None else point.sensitivity


def calibration_error(labels_N: Labels, probabilities_N: Scores, *, bins: int = _BINS) -> float | None:
    """Expected calibration error: how far probabilities are from what happens (Guo et al., ICML 2017).

    Images are put into bins of equal width by their probability; the error is the mean distance of a bin's
    share of positives from its mean probability, each bin counted by its images.

    Returns:
        0..1, or None without images, and for scores that are no probabilities.
    """
    labels_N, probabilities_N = known(labels_N, probabilities_N)
    if not labels_N.size or probabilities_N.min() < 0 or probabilities_N.max() > 1:
        return None
    bin_N = np.minimum((probabilities_N * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(bin_N, weights=labels_N - probabilities_N.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / labels_N.size)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The number of answers that a candidate changes at one threshold."""

    threshold: float
    flips: int
    """Images whose prediction changes."""
    gained: int
    """Of these, wrong before and right now."""
    lost: int
    """Of these, right before and wrong now."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


def compare_decisions(
    labels_N: Labels, reference_N: Scores, candidate_N: Scores, threshold: float
) -> Decisions:
    """Count the decisions that differ between two sets of scores at one threshold. All arrays are (N,)."""
    before: NDArray[np.bool_] = reference_N >= threshold
    after: NDArray[np.bool_] = candidate_N >= threshold
    changed = before != after
    return Decisions(
        threshold=threshold,
        flips=int(changed.sum()),
        gained=int((changed & np.where(after, labels_N == 1, labels_N == 0)).sum()),
        lost=int((changed & np.where(after, labels_N == 0, labels_N == 1)).sum()),
    )


@dataclass(frozen=True, kw_only=True)
class OperatingChange:
    """The changes that a candidate makes to one class at its operating point, beside its AUC."""

    sensitivity: tuple[float | None, float | None]
    """Of reference and candidate, each at its own threshold of specificity SPECIFICITY."""
    calibration_error: tuple[float | None, float | None]
    """Expected calibration error of reference and candidate."""
    decisions: Decisions
    """What changes at one threshold for both."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            f"sensitivity_at_specificity_{SPECIFICITY:g}": _pair(self.sensitivity),
            "calibration_error": _pair(self.calibration_error),
            "decisions": self.decisions.to_json(),
        }


def compare_operating(
    labels_N: Labels, reference_N: Scores, candidate_N: Scores, threshold: float
) -> OperatingChange:
    """Compare one class of two models at its operating points. All arrays are (N,)."""
    both = (reference_N, candidate_N)
    before, after = (sensitivity_at(labels_N, scores_N, SPECIFICITY) for scores_N in both)
    error_before, error_after = (calibration_error(labels_N, scores_N) for scores_N in both)
    return OperatingChange(
        sensitivity=(before, after),
        calibration_error=(error_before, error_after),
        decisions=compare_decisions(labels_N, reference_N, candidate_N, threshold),
    )


def _pair(values: tuple[float | None, float | None]) -> dict[str, float | None]:
    return {"reference": values[0], "candidate": values[1]}
