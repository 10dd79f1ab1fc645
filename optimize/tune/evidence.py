"""The report's evidence on the chosen variant beside its mean AUC: classes, curves, reliability, heatmaps.

Shapes: N images, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.heatmaps import compare_heatmaps, images_with_findings
from ...datasets import Split, load_images
from ...metrics.bootstrap import AucIntervals, Interval
from ...metrics.operating_points import calibration_error, choose, compare_decisions
from ...metrics.scores import Curve, Labels, class_metrics, precision_recall_curve, roc_curve
from ...runtime.backends import open_backend
from ..gate.gate import DEFAULT_THRESHOLD
from ..gate.per_class import Finding
from .stages import Stages

POINTS = 200
"""Most points of a curve: more than a page shows."""
BINS = 15
HEATMAPS = "heatmaps"

Answers = NDArray[np.floating[Any]]


def operating_thresholds(classes: Sequence[str], split: Split, answers_NC: Answers) -> dict[str, float]:
    """Per class, the reference's threshold with the largest sensitivity + specificity on the gate split.

    A class without both labels there keeps 0.5.
    """
    labels_NC = split.marked_labels
    points = [choose(labels_NC[:, c], answers_NC[:, c], "youden") for c in range(len(classes))]
    return {
        name: DEFAULT_THRESHOLD if point is None else point.threshold
        for name, point in zip(classes, points, strict=True)
    }


def class_facts(
    findings: Sequence[Finding],
    split: Split,
    pair: tuple[Answers, Answers],
    intervals: tuple[AucIntervals, AucIntervals],
    thresholds: dict[str, float],
) -> list[dict[str, Any]]:
    """Each class on its own, on the report split.

    Args:
        findings: as the gate's statistics have them, in the order of the classes.
        split: N images.
        pair: probabilities of reference and chosen, (N, C).
        intervals: of their AUCs.
        thresholds: per class.
    """
    labels_NC = split.marked_labels
    return [
        _class_facts(
            finding,
            labels_NC[:, c],
            (pair[0][:, c], pair[1][:, c]),
            (intervals[0].classes[c], intervals[1].classes[c]),
            thresholds[finding.name],
        )
        for c, finding in enumerate(findings)
    ]


def curve_facts(classes: Sequence[str], split: Split, pair: tuple[Answers, Answers]) -> dict[str, Any]:
    """ROC and precision-recall curves of reference and chosen, for every class that has both labels."""
    labels_NC = split.marked_labels
    found: dict[str, Any] = {}
    for c, name in enumerate(classes):
        both = [_curves(labels_NC[:, c], answers_NC[:, c]) for answers_NC in pair]
        if None not in both:
            found[name] = {"reference": both[0], "chosen": both[1]}
    return found


def reliability_facts(split: Split, pair: tuple[Answers, Answers]) -> dict[str, Any]:
    """Reliability curves pooled over classes, of the reference and the chosen variant."""
    return {
        name: _reliability(split.marked_labels.ravel(), answers_NC.ravel())
        for name, answers_NC in zip(("reference", "chosen"), pair, strict=True)
    }


def heatmap_facts(stages: Stages, chosen: str | None) -> dict[str, Any] | None:
    """Agreement of the chosen variant's heatmaps with the reference's on images of the report split.

    None where none are compared: no variant was chosen, no image has a finding, or a bundle gives no maps.
    """
    count = stages.bundles.settings.heatmaps
    if chosen is None or not count:
        return None
    function = stages.table.row(chosen).function
    kept = stages.folder.get(HEATMAPS)
    if kept is not None and kept["function"] == function:
        facts: dict[str, Any] | None = kept["facts"]
        return facts
    bundles = [stages.bundle_of(name) for name in (stages.table.reference.function, function)]
    preprocessing = [bundle.manifest.preprocessing for bundle in bundles]
    shown = images_with_findings(stages.bundles.splits.report, count)
    if not len(shown) or any(len(bundle.manifest.outputs) < 2 for bundle in bundles):
        return None
    backends = [open_backend(bundle, maps=True) for bundle in bundles]
    agreement = compare_heatmaps(
        backends[0],
        backends[1],
        load_images(shown, preprocessing[0]),
        shown.marked_labels,
        preprocessing[0],
        candidate_preprocessing=preprocessing[1],
    )
    facts = None if agreement is None else agreement.to_json()
    stages.folder.keep(HEATMAPS, {"function": function, "facts": facts})
    return facts


def _class_facts(
    finding: Finding,
    labels_N: Labels,
    pair_N: tuple[Answers, Answers],
    intervals: tuple[Interval | None, Interval | None],
    threshold: float,
) -> dict[str, Any]:
    drop = finding.drop
    before_N, after_N = pair_N
    return {
        "name": finding.name,
        "positives": finding.positives,
        "positive_patients": finding.positive_patients,
        "reference": _side(labels_N, before_N, intervals[0], threshold),
        "chosen": _side(labels_N, after_N, intervals[1], threshold),
        "drop": None if drop is None else drop.drop,
        "drop_ci": None if drop is None else [drop.lower, drop.upper],
        "p_value": None if drop is None else drop.p_value,
        "p_not_inferior": finding.p_corrected,
        "flipped": compare_decisions(labels_N, before_N, after_N, threshold).flips,
        "threshold": threshold,
        "verdict": "too_few" if finding.judged == "not_tested" else finding.judged,
    }


def _side(
    labels_N: Labels, answers_N: Answers, interval: Interval | None, threshold: float
) -> dict[str, Any]:
    metrics = class_metrics(labels_N, answers_N, threshold=threshold)
    counts = metrics.confusion
    return {
        "auc": metrics.auc,
        "ci": None if metrics.auc is None or interval is None else interval.to_json(),
        "sensitivity": metrics.sensitivity,
        "specificity": metrics.specificity,
        "average_precision": metrics.average_precision,
        "ece": calibration_error(labels_N, answers_N),
        "confusion": {
            "tp": counts.true_positives,
            "fp": counts.false_positives,
            "tn": counts.true_negatives,
            "fn": counts.false_negatives,
        },
    }


def _curves(labels_N: Labels, answers_N: Answers) -> dict[str, Any] | None:
    roc, precision_recall = roc_curve(labels_N, answers_N), precision_recall_curve(labels_N, answers_N)
    if roc is None or precision_recall is None:
        return None
    return {"roc": _points(roc), "precision_recall": _points(precision_recall)}


def _points(curve: Curve) -> list[list[float]]:
    chosen = np.unique(np.linspace(0, len(curve.x) - 1, min(POINTS, len(curve.x)), dtype=np.intp))
    return [
        [round(float(x), 6), round(float(y), 6)]
        for x, y in zip(curve.x[chosen], curve.y[chosen], strict=True)
    ]


def _reliability(labels: Labels, answers: Answers) -> dict[str, Any]:
    sure = labels >= 0
    labels, answers = labels[sure], answers[sure].astype(np.float64)
    bin_of = np.minimum((answers * BINS).astype(np.intp), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = bin_of == number
        count = int(inside.sum())
        bins.append(
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "images": count,
                "mean_probability": float(answers[inside].mean()) if count else None,
                "share_positive": float(labels[inside].mean()) if count else None,
            }
        )
    return {"ece": calibration_error(labels, answers), "bins": bins}
