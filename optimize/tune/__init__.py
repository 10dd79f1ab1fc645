"""Tuning: the fastest variant of a checkpoint that provably keeps its AUC on this machine.

    from xopt.optimize.tune import TuneSettings, tune

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .plan import Candidate, Graph, list_candidates
    from .selection import Objective, Standing, choose, pareto
    from .settings import TuneSettings
    from .tuning import NotMetError, Tuned, tune

__all__ = [
    "Candidate",
    "Graph",
    "NotMetError",
    "Objective",
    "Standing",
    "TuneSettings",
    "Tuned",
    "choose",
    "list_candidates",
    "pareto",
    "tune",
]

_HOMES = {
    "plan": ("Candidate", "Graph", "list_candidates"),
    "selection": ("Objective", "Standing", "choose", "pareto"),
    "settings": ("TuneSettings",),
    "tuning": ("NotMetError", "Tuned", "tune"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
