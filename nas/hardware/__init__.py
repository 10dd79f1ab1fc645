"""Latency of searched networks on this machine: measured, predicted from blocks, and held within limits.

    from xopt.nas.hardware import Predictor, load_table, measure_table

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .finalist_latency import RealLatency, Stopwatch
    from .graphs import GraphSettings
    from .latency_table import LatencyTable, load_table, save_table
    from .limits import LatencyLimit, Predictor, allowed
    from .measuring import TableSettings, measure_table

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
    "finalist_latency": ("RealLatency", "Stopwatch"),
    "graphs": ("GraphSettings",),
    "latency_table": ("LatencyTable", "load_table", "save_table"),
    "limits": ("LatencyLimit", "Predictor", "allowed"),
    "measuring": ("TableSettings", "measure_table"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
