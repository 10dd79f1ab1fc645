"""Intervals for AUCs and their differences, by resampling patients.

Images of one patient resemble each other, so whole patients are drawn with replacement (the cluster
bootstrap, Field & Welsh 2007), and intervals are percentiles of the replicates (Efron & Tibshirani 1993,
chapter 13). A replicate is a whole-number weight per image, and an AUC under weights needs no sorting:
scores are sorted once a class, then each replicate is one gather and one cumulative sum.
The one-sided bounds of a drop in mean AUC come from `delong.mean_drop`.

Shapes: N images, C classes, P patients, R replicates, B replicates of one block, K sets of scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .delong import MeanDrop, mean_drop
from .scores import Labels, Scores, check, roc_auc

# A block of weights that stays in the cache is about twice as fast as one of thousands of replicates.
_BLOCK_BYTES = 600_000
_LEAST_BLOCK = 16


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided 95 % interval."""

    lower: float
    upper: float

    def to_json(self) -> list[float]:
        """The interval as [lower, upper]."""
        return [self.lower, self.upper]


@dataclass(frozen=True, kw_only=True)
class AucIntervals:
    """Intervals of every class's AUC and of their mean; None where no replicate has both labels."""

    classes: tuple[Interval | None, ...]
    mean: Interval | None


@dataclass(frozen=True, kw_only=True)
class ClassDrop:
    """The drop of one class's AUC."""

    drop: float
    """AUC of the reference minus AUC of the candidate."""
    lower: float
    upper: float
    """Two-sided 95 % interval."""
    p_value: float
    """Two-sided."""
    standard_error: float
    """Standard deviation of the replicates."""


@dataclass(frozen=True, kw_only=True)
class PairedDrop:
    """The drop from the reference's mean AUC to the candidate's, on the same images and resamples."""

    drop: float
    """Mean AUC of the reference minus that of the candidate; positive is a loss."""
    standard_error: float
    """DeLong's, over patients. It falls with the square root of their number."""
    degrees_of_freedom: float
    """Of the standard error."""
    lower: float
    upper: float
    """Two-sided 95 % interval of the replicates."""
    lower_one_sided: float
    upper_one_sided: float
    """One-sided 95 % bounds from the standard error: of what was tried, these err least from one time in
    twenty (docs/decisions/0099)."""
    p_value: float
    """Two-sided, of no difference: 0.05 where the 95 % interval just touches zero."""
    resamples: int
    """Replicates with at least one class that has both labels."""
    images: int
    patients: int
    classes: tuple[ClassDrop | None, ...]
    """Per class; None where it lacks positives or negatives."""

    def upper_at(self, level: float) -> float:
        """The one-sided upper bound that the true drop exceeds in at most `level` of all studies."""
        known = MeanDrop(
            drop=self.drop, standard_error=self.standard_error, degrees_of_freedom=self.degrees_of_freedom
        )
        return known.upper(level)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "classes": [None if c is None else asdict(c) for c in self.classes]}


def paired_auc_drop(
    labels_NC: Labels,
    reference_NC: Scores,
    candidate_NC: Scores,
    patients: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDrop:
    """The drop in mean AUC from a reference to a candidate, with intervals over patients.

    Both are scored on the same resamples. A class without both labels in a resample is left out of that
    replicate's mean for both.

    Args:
        labels_NC: (N, C).
        reference_NC: scores of the reference (N, C).
        candidate_NC: scores of the candidate (N, C).
        patients: N names; images with the same name are drawn together.
        resamples: replicates, at least 2.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        DataError: no class has both labels, in the sample or in its resamples.
        ValueError: the arrays do not fit each other, or hold something else than labels and scores.
    """
    # Scored on the same draws, which is what pairs the two.
    reference_RC, candidate_RC = _replicates(
        labels_NC, (reference_NC, candidate_NC), patients, resamples=resamples, seed=seed
    )
    points = [
        _point_drop(labels_NC[:, c], reference_NC[:, c], candidate_NC[:, c])
        for c in range(labels_NC.shape[1])
    ]
    mean = mean_drop(labels_NC, reference_NC, candidate_NC, patients)
    if mean is None:
        raise DataError("no class has both positive and negative images, so there is no AUC; use more images")
    drops_RC = _widened(reference_RC - candidate_RC, points, _rarer_patients(labels_NC, patients))
    drops = _known(row_means(drops_RC))
    if drops.size < 2:
        raise DataError("no resample has a class with both labels, so there is no interval; use more images")
    interval = _percentiles(drops, 2.5, 97.5)
    return PairedDrop(
        drop=mean.drop,
        standard_error=mean.standard_error,
        degrees_of_freedom=mean.degrees_of_freedom,
        lower=interval.lower,
        upper=interval.upper,
        lower_one_sided=mean.lower(),
        upper_one_sided=mean.upper(),
        p_value=two_sided_p_value(drops),
        resamples=int(drops.size),
        images=len(labels_NC),
        patients=len(set(patients)),
        classes=tuple(_class_drop(drop, drops_RC[:, c]) for c, drop in enumerate(points)),
    )


def auc_intervals(
    labels_NC: Labels,
    scores_NC: Scores,
    patients: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> AucIntervals:
    """95 % intervals of each class's AUC and of the mean over classes.

    A class with few positive patients lacks them in some replicates; its interval is taken over the
    others, and the mean's over whatever classes each replicate has.

    Raises:
        ValueError: as `paired_auc_drop`.
    """
    aucs_RC = replicate_aucs(labels_NC, scores_NC, patients, resamples=resamples, seed=seed)
    return AucIntervals(
        classes=tuple(_interval(aucs_RC[:, c]) for c in range(aucs_RC.shape[1])),
        mean=_interval(row_means(aucs_RC)),
    )


def replicate_aucs(
    labels_NC: Labels,
    scores_NC: Scores,
    patients: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """AUC of every class in every replicate: float64 (R, C), NaN where a replicate lacks one of the labels.

    The draws depend on the patients' names and the seed alone, not on the order of the images.

    Raises:
        ValueError: as `paired_auc_drop`.
    """
    (aucs_RC,) = _replicates(labels_NC, (scores_NC,), patients, resamples=resamples, seed=seed)
    return aucs_RC


def _replicates(
    labels_NC: Labels,
    scores_KNC: Sequence[Scores],
    patients: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> list[NDArray[np.float64]]:
    """For each set of scores, AUCs (R, C) on the same draws."""
    for scores_NC in scores_KNC:
        check(labels_NC, scores_NC)
    if len(patients) != len(labels_NC):
        raise ValueError(f"{len(labels_NC)} images need as many patients, got {len(patients)}.")
    if resamples < 2:
        raise ValueError(f"resamples must be at least 2, got {resamples}.")
    classes = range(labels_NC.shape[1])
    sets = [[_WeightedAuc(labels_NC[:, c], scores_NC[:, c]) for c in classes] for scores_NC in scores_KNC]
    blocks = [
        [np.stack([one_class(weights_NB) for one_class in one_set], axis=1) for one_set in sets]
        for weights_NB in _weights(patients, resamples, seed)
    ]
    return [np.concatenate(one_set) for one_set in zip(*blocks, strict=True)]


def row_means(values_RC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row over what is not NaN; NaN for a row without a number."""
    known = ~np.isnan(values_RC)
    counts = known.sum(axis=1)
    sums = np.where(known, values_RC, 0.0).sum(axis=1)
    return _divide(sums, counts)


def two_sided_p_value(drops_R: NDArray[np.float64]) -> float:
    """The level at which the percentile interval of the replicates just touches zero, at most 1.

    The observed sample counts as one more replicate (Davison & Hinkley 1997, section 4.2.3), so the
    value is never 0.
    """
    at_most, at_least = np.sum(drops_R <= 0), np.sum(drops_R >= 0)
    return float(min(1.0, 2 * (min(at_most, at_least) + 1) / (drops_R.size + 1)))


def _weights(patients: Sequence[str], resamples: int, seed: int) -> Iterator[NDArray[np.int32]]:
    """Yield how often each image is drawn, int32 (N, B), block by block.

    A replicate is a column: an image's weights in all replicates then lie side by side, where they are
    gathered and added up several at a time.
    """
    _, patient_N = np.unique(np.asarray(patients), return_inverse=True)
    count = int(patient_N.max()) + 1 if patient_N.size else 0
    generator = np.random.default_rng(seed)
    block = max(_LEAST_BLOCK, _BLOCK_BYTES // (4 * max(1, patient_N.size)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn_BP = generator.integers(count, size=(size, count))
        cells = drawn_BP * size + np.arange(size)[:, np.newaxis]
        drawn_PB = np.bincount(cells.ravel(), minlength=count * size).reshape(count, size)
        yield drawn_PB.astype(np.int32)[patient_N]


class _WeightedAuc:
    """The AUC of one class as a function of the images' weights."""

    def __init__(self, labels_N: Labels, scores_N: Scores) -> None:
        negatives = np.flatnonzero(labels_N == 0)
        self._positives = np.flatnonzero(labels_N == 1)
        self._negatives = negatives[np.argsort(scores_N[negatives], kind="stable")]
        ranked = scores_N[self._negatives]
        # How many of the sorted negatives lie below each positive, and how many below or level with it.
        self._below = np.searchsorted(ranked, scores_N[self._positives], side="left")
        self._up_to = np.searchsorted(ranked, scores_N[self._positives], side="right")
        self._has_ties = bool(np.any(self._below != self._up_to))

    def __call__(self, weights_NB: NDArray[np.int32]) -> NDArray[np.float64]:
        """AUC under each column of weights: float64 (B,), NaN where either label has no weight."""
        passed = np.zeros((self._negatives.size + 1, weights_NB.shape[1]), dtype=np.int32)
        np.cumsum(weights_NB[self._negatives], axis=0, dtype=np.int32, out=passed[1:])
        positives = weights_NB[self._positives].astype(np.float64)
        won = np.einsum("pb,pb->b", positives, passed[self._below])
        if self._has_ties:
            won = (won + np.einsum("pb,pb->b", positives, passed[self._up_to])) / 2
        pairs = positives.sum(axis=0) * passed[-1]
        return _divide(won, pairs)


def _rarer_patients(labels_NC: Labels, patients: Sequence[str]) -> list[int]:
    """For each class, how many patients have the label that fewer have."""
    _, patient_N = np.unique(np.asarray(patients), return_inverse=True)
    return [min(np.unique(patient_N[labels_N == label]).size for label in (0, 1)) for labels_N in labels_NC.T]


def _widened(
    drops_RC: NDArray[np.float64], points: Sequence[float | None], rarer_C: Sequence[int]
) -> NDArray[np.float64]:
    """Replicates spread as far as the estimate itself.

    Drawing n patients with replacement gives their mean a variance that is (n - 1) / n of what it should be
    (Davison & Hinkley 1997, section 2.3); with a dozen positive patients that is 4 % of a standard error.
    """
    wide_RC = drops_RC.copy()
    for c, (point, count) in enumerate(zip(points, rarer_C, strict=True)):
        if point is not None:
            # A single patient has no spread at all; two are the least that have one.
            most = max(count, 2)
            wide_RC[:, c] = point + (drops_RC[:, c] - point) * np.sqrt(most / (most - 1))
    return wide_RC


def _point_drop(
    labels_N: Labels,
    reference_N: Scores,
    candidate_N: Scores,
) -> float | None:
    reference, candidate = roc_auc(labels_N, reference_N), roc_auc(labels_N, candidate_N)
    return None if reference is None or candidate is None else reference - candidate


def _class_drop(drop: float | None, drops_R: NDArray[np.float64]) -> ClassDrop | None:
    known_R = _known(drops_R)
    if drop is None or known_R.size < 2:
        return None
    interval = _percentiles(known_R, 2.5, 97.5)
    return ClassDrop(
        drop=drop,
        lower=interval.lower,
        upper=interval.upper,
        p_value=two_sided_p_value(known_R),
        standard_error=float(np.std(known_R, ddof=1)),
    )


def _interval(values_R: NDArray[np.float64]) -> Interval | None:
    known = _known(values_R)
    return _percentiles(known, 2.5, 97.5) if known.size else None


def _percentiles(values_R: NDArray[np.float64], low: float, high: float) -> Interval:
    lower, upper = np.percentile(values_R, [low, high])
    return Interval(lower=float(lower), upper=float(upper))


def _divide(above: NDArray[np.float64], below: NDArray[Any]) -> NDArray[np.float64]:
    """NaN where `below` is zero."""
    result = np.full(above.shape, np.nan)
    np.divide(above, below, out=result, where=below > 0)
    return result


def _known(values_R: NDArray[np.float64]) -> NDArray[np.float64]:
    return values_R[~np.isnan(values_R)]
