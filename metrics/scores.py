"""Metrics of multi-label scores: threshold-free (ROC-AUC, average precision) and at an operating threshold.

Numpy only, so that `xopt score` works in the base install. Point values equal scikit-learn's; where
scikit-learn warns and returns 0 or NaN, these return None: a number that does not exist is not zero.

Shapes: N images, C classes (findings), K points of a curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
"""0 or 1, or -1 where a label is not known: such an image is left out of the class's metrics."""
Scores = NDArray[np.floating[Any]]
"""Higher means more likely positive."""

METRICS = ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "precision", "f1")


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The four counts of one class at a threshold."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """The metrics of one class; all None where the class lacks positives or negatives.

    `precision` is None, too, where nothing is predicted positive: no prediction was right or wrong.
    """

    auc: float | None = None
    average_precision: float | None = None
    accuracy: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    precision: float | None = None
    f1: float | None = None
    positives: int
    confusion: Confusion

    def to_json(self) -> dict[str, Any]:
        """The metrics and the count of positives as plain JSON values, without the confusion counts."""
        return {**{name: getattr(self, name) for name in METRICS}, "positives": self.positives}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve through the distinct scores: x and y, float64 (K,), both in 0..1."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def roc_auc(labels_N: Labels, scores_N: Scores) -> float | None:
    """Area under the ROC curve: the share of pairs in the right order, ties counting half.

    A pair is a positive and a negative. They are counted in whole numbers (Mann-Whitney U), so the value is
    exact to the last bit.

    Args:
        labels_N: (N,).
        scores_N: (N,).

    Returns:
        0..1, or None without both labels.
    """
    positives = scores_N[labels_N == 1]
    negatives = np.sort(scores_N[labels_N == 0])
    pairs = positives.size * negatives.size
    if pairs == 0:
        return None
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64)
    up_to = np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64)
    return float((below + up_to) / (2 * pairs))


def average_precision(labels_N: Labels, scores_N: Scores) -> float | None:
    """Average precision: the sum of precision times the step in recall, over the distinct scores.

    No interpolation between points, as scikit-learn (Davis & Goadrich 2006 show why straight lines mislead).

    Returns:
        0..1, or None without both labels.
    """
    curve = precision_recall_curve(labels_N, scores_N)
    if curve is None:
        return None
    return float(np.sum(np.diff(curve.x, prepend=0.0) * curve.y))


def roc_curve(labels_N: Labels, scores_N: Scores) -> Curve | None:
    """False positive rate (x) against true positive rate (y), from (0, 0) to (1, 1).

    Points on a straight line between their neighbours are left out.

    Returns:
        the curve, or None without both labels.
    """
    counts = _counts(labels_N, scores_N)
    if counts is None:
        return None
    true, false = (np.concatenate([[0], c]) for c in counts)
    bend = np.diff(true[:-1]) * np.diff(false[1:]) != np.diff(true[1:]) * np.diff(false[:-1])
    keep = np.concatenate([[True], bend, [True]])
    return Curve(x=false[keep] / false[-1], y=true[keep] / true[-1])


def precision_recall_curve(labels_N: Labels, scores_N: Scores) -> Curve | None:
    """Recall (x) against precision (y) at each distinct score, from the strictest threshold to the loosest.

    Returns:
        the curve, or None without both labels.
    """
    counts = _counts(labels_N, scores_N)
    if counts is None:
        return None
    true, false = counts
    return Curve(x=true / true[-1], y=true / (true + false))


def class_metrics(labels_N: Labels, scores_N: Scores, *, threshold: float = 0.5) -> ClassMetrics:
    """All metrics of one class.

    Args:
        labels_N: (N,).
        scores_N: probabilities (N,).
        threshold: a score at or above it is a positive prediction.
    """
    labels_N, scores_N = known(labels_N, scores_N)
    actual = labels_N == 1
    predicted = scores_N >= threshold
    tp = int(np.sum(actual & predicted))
    fp = int(np.sum(~actual & predicted))
    fn = int(np.sum(actual & ~predicted))
    tn = int(np.sum(~actual & ~predicted))
    confusion = Confusion(true_positives=tp, false_positives=fp, false_negatives=fn, true_negatives=tn)
    if tp + fn == 0 or fp + tn == 0:
        return ClassMetrics(positives=tp + fn, confusion=confusion)
    return ClassMetrics(
        auc=roc_auc(labels_N, scores_N),
        average_precision=average_precision(labels_N, scores_N),
        accuracy=(tp + tn) / labels_N.size,
        sensitivity=tp / (tp + fn),
        specificity=tn / (tn + fp),
        precision=tp / (tp + fp) if tp + fp else None,
        f1=2 * tp / (2 * tp + fp + fn),
        positives=tp + fn,
        confusion=confusion,
    )


def all_metrics(labels_NC: Labels, scores_NC: Scores, *, threshold: float = 0.5) -> tuple[ClassMetrics, ...]:
    """The metrics of every class, in column order.

    Raises:
        ValueError: the arrays do not fit each other, a label is not 0 or 1, or a score is not finite.
    """
    check(labels_NC, scores_NC)
    return tuple(
        class_metrics(labels_NC[:, c], scores_NC[:, c], threshold=threshold)
        for c in range(labels_NC.shape[1])
    )


def mean_metrics(classes: Sequence[ClassMetrics]) -> dict[str, float | None]:
    """Each metric's mean over the classes that have it; None where no class has."""
    means: dict[str, float | None] = {}
    for name in METRICS:
        values = [value for value in (getattr(metrics, name) for metrics in classes) if value is not None]
        means[name] = float(np.mean(values)) if values else None
    return means


def mean_auc(labels_NC: Labels, scores_NC: Scores) -> float | None:
    """Mean ROC-AUC over the classes with both labels, or None without one.

    Raises:
        ValueError: as `all_metrics`.
    """
    check(labels_NC, scores_NC)
    aucs = [roc_auc(labels_NC[:, c], scores_NC[:, c]) for c in range(labels_NC.shape[1])]
    known = [auc for auc in aucs if auc is not None]
    return float(np.mean(known)) if known else None


def check(labels_NC: Labels, scores_NC: Scores) -> None:
    """Check that labels and scores can be compared.

    Raises:
        ValueError: two different shapes, not two dimensions, a label other than 0 and 1, a score not finite.
    """
    if labels_NC.ndim != 2 or labels_NC.shape != scores_NC.shape:
        raise ValueError(
            f"labels and scores must both be (N, C), got {labels_NC.shape} and {scores_NC.shape}."
        )
    if not np.isin(labels_NC, (-1, 0, 1)).all():
        raise ValueError("labels must be 0 or 1, or -1 where one is not known.")
    if not np.isfinite(scores_NC).all():
        raise ValueError("scores must be finite numbers.")


def known(labels_N: Labels, scores_N: Scores) -> tuple[Labels, Scores]:
    """The labels and scores of the images whose label is known."""
    sure = labels_N >= 0
    return (labels_N, scores_N) if sure.all() else (labels_N[sure], scores_N[sure])


def _counts(labels_N: Labels, scores_N: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """True and false positives at each distinct score, from the highest down; None without both labels."""
    labels_N, scores_N = known(labels_N, scores_N)
    order = np.argsort(-scores_N, kind="stable")
    sorted_scores = scores_N[order]
    positive = (labels_N[order] == 1).astype(np.int64)
    last_of_ties = np.append(np.flatnonzero(np.diff(sorted_scores)), labels_N.size - 1)
    true = np.cumsum(positive)[last_of_ties] if labels_N.size else positive
    false = last_of_ties + 1 - true if labels_N.size else positive
    if labels_N.size == 0 or true[-1] == 0 or false[-1] == 0:
        return None
    return true, false
