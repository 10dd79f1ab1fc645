"""Metrics and their intervals, scoring of predictions, latency-vs-AUC comparisons, reports.

    from xopt.benchmarks import compare, paired_auc_drop

The names below are resolved when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .bootstrap import AucIntervals, PairedDrop, auc_intervals, paired_auc_drop
    from .comparison import BenchSettings, Comparison, Row, compare
    from .delong import DelongTest, auc_covariance, paired_test
    from .engines import Engine, Variant
    from .heatmaps import HeatmapAgreement, compare_heatmaps
    from .metrics import ClassMetrics, all_metrics, average_precision, mean_auc, roc_auc
    from .predictions import Predictions, align, read_predictions
    from .report import render
    from .scoring import Scores, ScoreSettings, score
    from .variants import Reference

__all__ = [
    "AucIntervals",
    "BenchSettings",
    "ClassMetrics",
    "Comparison",
    "DelongTest",
    "Engine",
    "HeatmapAgreement",
    "PairedDrop",
    "Predictions",
    "Reference",
    "Row",
    "ScoreSettings",
    "Scores",
    "Variant",
    "align",
    "all_metrics",
    "auc_covariance",
    "auc_intervals",
    "average_precision",
    "compare",
    "compare_heatmaps",
    "mean_auc",
    "paired_auc_drop",
    "paired_test",
    "read_predictions",
    "render",
    "roc_auc",
    "score",
]

_HOMES = {
    "bootstrap": ("AucIntervals", "PairedDrop", "auc_intervals", "paired_auc_drop"),
    "comparison": ("BenchSettings", "Comparison", "Row", "compare"),
    "delong": ("DelongTest", "auc_covariance", "paired_test"),
    "engines": ("Engine", "Variant"),
    "heatmaps": ("HeatmapAgreement", "compare_heatmaps"),
    "metrics": ("ClassMetrics", "all_metrics", "average_precision", "mean_auc", "roc_auc"),
    "predictions": ("Predictions", "align", "read_predictions"),
    "report": ("render",),
    "scoring": ("ScoreSettings", "Scores", "score"),
    "variants": ("Reference",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
