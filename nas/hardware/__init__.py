"""Latency of searched networks on this machine: measured, predicted from blocks, and held within limits.

    from xopt.nas.hardware import Predictor, load_table, measure_table

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .graphs import GraphSettings
    from .limits import LatencyLimit, Predictor, allowed
    from .measuring import TableSettings, measure_table
    from .stopwatch import RealLatency, Stopwatch
    from .table import LatencyTable, load_table, save_table

__all__ = [
    "GraphSettings",
    "LatencyLimit",
    "LatencyTable",
    "Predictor",
    "RealLatency",
    "Stopwatch",
    "TableSettings",
    "allowed",
    "load_table",
    "measure_table",
    "save_table",
]

_HOMES = {
    "graphs": ("GraphSettings",),
    "limits": ("LatencyLimit", "Predictor", "allowed"),
    "measuring": ("TableSettings", "measure_table"),
    "stopwatch": ("RealLatency", "Stopwatch"),
    "table": ("LatencyTable", "load_table", "save_table"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
