"""What the seeds of a recipe came to, one by one and together."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..runtime.console import table

METRICS = ("auc", "accuracy", "sensitivity", "specificity")


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """What one seed came to."""

    seed: int
    seconds: float
    """Of all epochs, by the clock."""
    cpu_s: float | None
    """Of the training, over all cores; None where it was resumed, since the part before is not known."""
    best_epoch: int
    val_auc: float | None
    thresholds: dict[str, float]
    metrics: dict[str, float | None]
    """METRICS on the answered split at these thresholds, each the mean over the classes that have it."""
    bundle: str
    """The bundle's digest."""


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """A recipe's seeds beside each other."""

    results: tuple[SeedResult, ...]

    def spread(self, name: str) -> dict[str, float] | None:
        """Mean, standard deviation (of a sample), lowest and highest; None where a seed lacks the metric."""
        values = [result.metrics[name] for result in self.results]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        deviation = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
        return {"mean": float(np.mean(known)), "sd": deviation, "min": min(known), "max": max(known)}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "seeds": [asdict(result) for result in self.results],
            **{name: self.spread(name) for name in METRICS},
        }

    def to_text(self) -> str:
        """A row a seed, then mean, deviation, lowest and highest."""
        headings = ["seed", "min", "CPU min", "epoch kept", "val AUC", "threshold", *METRICS]
        rows = [_row(result) for result in self.results]
        for what in ("mean", "sd", "min", "max"):
            spreads = [self.spread(name) for name in METRICS]
            rows.append([what, *[""] * 5, *(_number(None if s is None else s[what]) for s in spreads)])
        return table(headings, rows)


def _row(result: SeedResult) -> list[str]:
    # One threshold a class: more than one do not fit a column.
    thresholds = list(result.thresholds.values())
    return [
        str(result.seed),
        f"{result.seconds / 60:.1f}",
        "-" if result.cpu_s is None else f"{result.cpu_s / 60:.1f}",
        str(result.best_epoch),
        _number(result.val_auc),
        _number(thresholds[0] if len(thresholds) == 1 else None),
        *(_number(result.metrics[name]) for name in METRICS),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"
