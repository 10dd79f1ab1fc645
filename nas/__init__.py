"""Architecture search: the space, who proposes, the asynchronous search, simulation on tables.

The names below are resolved when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import resolver

if TYPE_CHECKING:
    from .macro import MacroSpace
    from .problem import Problem, Proposer, Trial
    from .space import Cost, Limits, Space

__all__ = ["Cost", "Limits", "MacroSpace", "Problem", "Proposer", "Space", "Trial"]

_HOMES = {
    "macro": ("MacroSpace",),
    "problem": ("Problem", "Proposer", "Trial"),
    "space": ("Cost", "Limits", "Space"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
