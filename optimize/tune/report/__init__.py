"""The report of a tuning, from its JSON alone.

    from xopt.optimize.tune.report import to_html, to_markdown

The names below are resolved when they are first used, since what stands behind them is heavy.
"""

from typing import TYPE_CHECKING

from ....runtime.lazy import resolver

if TYPE_CHECKING:
    from .contents import to_html, to_markdown, write_html

__all__ = [
    "to_html",
    "to_markdown",
    "write_html",
]

_HOMES = {
    "contents": ("to_html", "to_markdown", "write_html"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
