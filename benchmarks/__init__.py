"""Metrics and their intervals, scoring of predictions, latency-vs-AUC comparisons, reports.

    from xopt.benchmarks import compare
    from xopt.metrics import paired_auc_drop

The names below are resolved when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .comparison import Comparison, Row, compare
    from .engines import Engine, Variant
    from .heatmaps import HeatmapAgreement, compare_heatmaps
    from .predictions import Predictions, align, read_predictions
    from .report import render
    from .scoring import Scores, score
    from .settings import BenchSettings, ScoreSettings
    from .variants import Reference

__all__ = [
    "BenchSettings",
    "Comparison",
    "Engine",
    "HeatmapAgreement",
    "Predictions",
    "Reference",
    "Row",
    "ScoreSettings",
    "Scores",
    "Variant",
    "align",
    "compare",
    "compare_heatmaps",
    "read_predictions",
    "render",
    "score",
]

_HOMES = {
    "comparison": ("Comparison", "Row", "compare"),
    "engines": ("Engine", "Variant"),
    "heatmaps": ("HeatmapAgreement", "compare_heatmaps"),
    "predictions": ("Predictions", "align", "read_predictions"),
    "report": ("render",),
    "scoring": ("Scores", "score"),
    "settings": ("BenchSettings", "ScoreSettings"),
    "variants": ("Reference",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
