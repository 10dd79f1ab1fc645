"""Architecture search: the space, who proposes, the asynchronous search, simulation on tables.

The names below are resolved when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .description import describe, make_space
    from .macro import MacroSpace
    from .problem import Problem, Proposer, Trial
    from .simulation import SimulationSettings, simulate
    from .space import Cost, Limits, Space
    from .tabular_benchmarks import Table, load_table
    from .validated_proposer import make_proposer
    from .xray import XraySpace

__all__ = [
    "Cost",
    "Limits",
    "MacroSpace",
    "Problem",
    "Proposer",
    "SimulationSettings",
    "Space",
    "Table",
    "Trial",
    "XraySpace",
    "describe",
    "load_table",
    "make_proposer",
    "make_space",
    "simulate",
]

_HOMES = {
    "description": ("describe", "make_space"),
    "macro": ("MacroSpace",),
    "problem": ("Problem", "Proposer", "Trial"),
    "simulation": ("SimulationSettings", "simulate"),
    "space": ("Cost", "Limits", "Space"),
    "tabular_benchmarks": ("Table", "load_table"),
    "validated_proposer": ("make_proposer",),
    "xray": ("XraySpace",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
