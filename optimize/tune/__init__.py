"""Tuning: the fastest variant of a checkpoint that provably keeps its AUC on this machine.

    from xopt.optimize.tune import TuneSettings, tune

The names below are resolved when they are first used, since the modules behind them are heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .search_space import Candidate, Graph, list_candidates
    from .selection import Objective, VariantStats, choose, pareto
    from .settings import TuneSettings
    from .tuning import NotMetError, Tuned, tune

__all__ = [
    "Candidate",
    "Graph",
    "NotMetError",
    "Objective",
    "TuneSettings",
    "Tuned",
    "VariantStats",
    "choose",
    "list_candidates",
    "pareto",
    "tune",
]

_HOMES = {
    "search_space": ("Candidate", "Graph", "list_candidates"),
    "selection": ("Objective", "VariantStats", "choose", "pareto"),
    "settings": ("TuneSettings",),
    "tuning": ("NotMetError", "Tuned", "tune"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
