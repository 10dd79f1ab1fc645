"""`xopt score`: every metric of one set of predictions with its interval, and the difference to another.

Shapes: N images, C classes.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split
from ..metrics.bootstrap import AucIntervals, Interval, PairedDrop, auc_intervals, paired_auc_drop
from ..metrics.delong import DelongTest, paired_test
from ..metrics.operating_points import OperatingChange, compare_operating
from ..metrics.scores import ClassMetrics, all_metrics, mean_metrics
from ..runtime.console import table
from .settings import ScoreSettings


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A second set of predictions taken as the reference."""

    reference: str
    """Its name."""
    paired: PairedDrop
    """AUC of the reference minus AUC of the predictions."""
    delong: tuple[DelongTest | None, ...]
    """Per class; None with fewer than two positives or negatives."""
    operating: tuple[OperatingChange, ...]
    """Per class, decisions at the threshold of the settings."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Everything `xopt score` says."""

    split: Split
    classes: tuple[str, ...]
    metrics: tuple[ClassMetrics, ...]
    intervals: AucIntervals
    settings: ScoreSettings
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()
    """What a reader has to know of the images (roles.check_roles) and of the files' columns."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values; what does not exist is null."""
        named = zip(self.classes, self.metrics, self.intervals.classes, strict=True)
        facts: dict[str, Any] = {
            "images": len(self.split),
            "patients": len(set(self.split.patients)),
            "split": self.split.name,
            "data_digest": self.split.digest,
            **asdict(self.settings),
            "classes": {name: _with_interval(m.to_json(), interval) for name, m, interval in named},
            "mean": _with_interval(mean_metrics(self.metrics), self.intervals.mean),
            "confusion": {c: asdict(m.confusion) for c, m in zip(self.classes, self.metrics, strict=True)},
        }
        if self.notes:
            facts["notes"] = list(self.notes)
        if self.comparison is not None:
            facts["compare"] = _comparison_json(self.comparison, self.classes)
        return facts


def score(
    split: Split,
    classes: tuple[str, ...],
    probabilities_NC: NDArray[np.float64],
    *,
    settings: ScoreSettings | None = None,
    reference_NC: NDArray[np.float64] | None = None,
    reference: str = "reference",
    notes: tuple[str, ...] = (),
) -> Scores:
    """Score predictions against a split's labels.

    Args:
        split: N labelled images with their patients.
        classes: C names in the order of the columns.
        probabilities_NC: in the split's order, see `predictions.align`.
        reference_NC: other predictions of the same images, to say how much the AUC drops from these.
        reference: what to call them.
        notes: what a reader has to know of the images and of the files' columns.

    Raises:
        DataError: with a reference, and no class has both labels.
        ValueError: the arrays do not fit the split.
    """
    settings = settings or ScoreSettings()
    draws = {"resamples": settings.resamples, "seed": settings.seed}
    comparison = None
    if reference_NC is not None:
        columns = list(zip(split.marked_labels.T, reference_NC.T, probabilities_NC.T, strict=True))
        comparison = Comparison(
            reference=reference,
            paired=paired_auc_drop(
                split.marked_labels, reference_NC, probabilities_NC, split.patients, **draws
            ),
            delong=tuple(paired_test(labels, before, after) for labels, before, after in columns),
            operating=tuple(compare_operating(*column, settings.threshold) for column in columns),
        )
    return Scores(
        split=split,
        classes=classes,
        metrics=all_metrics(split.marked_labels, probabilities_NC, threshold=settings.threshold),
        intervals=auc_intervals(split.marked_labels, probabilities_NC, split.patients, **draws),
        settings=settings,
        comparison=comparison,
        notes=notes,
    )


def describe(scores: Scores) -> str:
    """The scores as a table and plain sentences."""
    facts = scores.to_json()
    rows = [_row(name, metrics) for name, metrics in facts["classes"].items()]
    rows.append(_row("mean", facts["mean"]))
    headings = [
        "",
        "AUC",
        "95 % interval",
        "AP",
        "accuracy",
        "sens.",
        "spec.",
        "precision",
        "F1",
        "positives",
    ]
    return "\n".join([table(headings, rows), "", *_sentences(scores)])


def _row(name: str, facts: dict[str, Any]) -> list[str]:
    interval = facts["auc_ci"]
    return [
        name,
        _number(facts["auc"], 4),
        "-" if interval is None else f"{interval[0]:.4f} .. {interval[1]:.4f}",
        _number(facts["average_precision"]),
        *(_number(facts[key]) for key in ("accuracy", "sensitivity", "specificity", "precision", "f1")),
        str(facts.get("positives", "")),
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _sentences(scores: Scores) -> list[str]:
    split, settings = scores.split, scores.settings
    lines = [
        f"{len(split)} images of split {split.name}, {_patients(split)}; positive at {settings.threshold:g} "
        f"and above; intervals: {settings.resamples} bootstrap resamples of {_unit(split)}."
    ]
    undefined = [c for c, m in zip(scores.classes, scores.metrics, strict=True) if m.auc is None]
    if undefined:
        lines.append(f"Without both positive and negative images, so in no mean: {', '.join(undefined)}.")
    lines += [f"Note: {note}." for note in scores.notes]
    return lines if scores.comparison is None else [*lines, *_compared(scores.comparison, scores)]


def _compared(comparison: Comparison, scores: Scores) -> list[str]:
    paired = comparison.paired
    verdict = "these images cannot tell the two apart"
    if paired.lower > 0:
        verdict = "a loss that chance does not explain"
    if paired.upper < 0:
        verdict = "a gain that chance does not explain"
    interval = f"95 % interval {paired.lower:+.4f} .. {paired.upper:+.4f}"
    lines = [
        f"Mean AUC drop against {comparison.reference}: {paired.drop:+.4f}, {interval}, "
        f"p = {paired.p_value:.3g} (paired over {_unit(scores.split)}):",
        f"{verdict}.",
    ]
    clear = [
        f"{name} {drop.drop:+.4f} ({drop.lower:+.4f} .. {drop.upper:+.4f})"
        for name, drop in zip(scores.classes, paired.classes, strict=True)
        if drop is not None and (drop.lower > 0 or drop.upper < 0)
    ]
    if clear:
        lines.append(
            f"Findings whose own interval leaves out zero (one in twenty does by chance): {', '.join(clear)}."
        )
    return [*lines, _operating(comparison, scores)]


def _operating(comparison: Comparison, scores: Scores) -> str:
    """Decisions that change, and whether probabilities still mean what they say."""
    flips, gained, lost = (
        sum(getattr(change.decisions, part) for change in comparison.operating)
        for part in ("flips", "gained", "lost")
    )
    errors = [change.calibration_error for change in comparison.operating]
    told = [(before, after) for before, after in errors if before is not None and after is not None]
    before, after = (sum(values) / len(told) for values in zip(*told, strict=True)) if told else (None, None)
    count = len(scores.split) * len(scores.classes)
    return (
        f"{flips} of {count} decisions change at {scores.settings.threshold:g} "
        f"({gained} to right, {lost} to wrong); expected calibration error, mean over findings: "
        f"{_number(before)} -> {_number(after)}."
    )


def _patients(split: Split) -> str:
    return f"{len(set(split.patients))} patients" if split.patients_known else "patients not known"


def _unit(split: Split) -> str:
    return "patients" if split.patients_known else "images"


def _with_interval(facts: dict[str, Any], interval: Interval | None) -> dict[str, Any]:
    # Beside the value it belongs to.
    return {"auc": facts["auc"], "auc_ci": None if interval is None else interval.to_json(), **facts}


def _comparison_json(comparison: Comparison, classes: tuple[str, ...]) -> dict[str, Any]:
    paired = comparison.paired
    per_class = {
        name: None
        if drop is None
        else {
            "auc_drop": drop.drop,
            "ci": [drop.lower, drop.upper],
            "p_value": drop.p_value,
            "delong_p_value": None if test is None else test.p_value,
            **change.to_json(),
        }
        for name, drop, test, change in zip(
            classes, paired.classes, comparison.delong, comparison.operating, strict=True
        )
    }
    return {
        "reference": comparison.reference,
        "mean_auc_drop": paired.drop,
        "ci": [paired.lower, paired.upper],
        "p_value": paired.p_value,
        "standard_error": paired.standard_error,
        "degrees_of_freedom": paired.degrees_of_freedom,
        "classes": per_class,
    }
