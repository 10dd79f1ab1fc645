"""AUC and its statistics: scores, bootstrap and DeLong intervals, Holm, operating points. Free of torch.

    from xopt.metrics import mean_auc, paired_auc_drop

The names below are resolved when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .bootstrap import AucIntervals, PairedDrop, auc_intervals, paired_auc_drop
    from .delong import DelongTest, auc_covariance, paired_test
    from .scores import ClassMetrics, all_metrics, average_precision, mean_auc, roc_auc

__all__ = [
    "AucIntervals",
    "ClassMetrics",
    "DelongTest",
    "PairedDrop",
    "all_metrics",
    "auc_covariance",
    "auc_intervals",
    "average_precision",
    "mean_auc",
    "paired_auc_drop",
    "paired_test",
    "roc_auc",
]

_HOMES = {
    "bootstrap": ("AucIntervals", "PairedDrop", "auc_intervals", "paired_auc_drop"),
    "delong": ("DelongTest", "auc_covariance", "paired_test"),
    "scores": ("ClassMetrics", "all_metrics", "average_precision", "mean_auc", "roc_auc"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
