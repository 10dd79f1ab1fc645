"""The report of a finished search.

    from xopt.nas.report import render

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .diagram import draw
    from .page import render

__all__ = [
    "draw",
    "render",
]

_HOMES = {
    "diagram": ("draw",),
    "page": ("render",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
