"""The end of a search: finalists trained again, compared with intervals, and the winner made into a bundle.

    from xopt.nas.finals import FinalsSettings, finish

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .comparing import Standing, compare_finalists
    from .finish_search import finish_search
    from .pipeline import finish
    from .result import Finalist, Finished
    from .settings import FinalsSettings

__all__ = [
    "Finalist",
    "FinalsSettings",
    "Finished",
    "Standing",
    "compare_finalists",
    "finish",
    "finish_search",
]

_HOMES = {
    "comparing": ("Standing", "compare_finalists"),
    "finish_search": ("finish_search",),
    "pipeline": ("finish",),
    "result": ("Finalist", "Finished"),
    "settings": ("FinalsSettings",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
