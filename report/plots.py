"""The look that all figures of xopt have, as SVG.

The same numbers give the same bytes: no date, no random ids.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from math import sqrt
from typing import TYPE_CHECKING, Any

from ..runtime.requires import need

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart; the reference is grey.
REFERENCE_COLOUR = "#444444"
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
MARKERS = {"torch": "s", "onnxruntime": "^", "openvino": "o"}
"""One marker per engine, the same in every figure."""

# Typed as Any: matplotlib names all its settings in its own type.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.hashsalt": "xopt",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def to_svg(figure: "Figure", *, prefix: str = "", inline: bool = False) -> str:
    """A figure as SVG text.

    Args:
        figure: drawn in `new_figure`.
        prefix: put before every id, so that several figures can stand in one page.
        inline: leave out what only a file of its own needs: the XML head and the namespaces.
    """
    import matplotlib as mpl

    text = StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(
            text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    svg = re.sub(r"<metadata>.*?</metadata>", "", text.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
    if not inline:
        return svg
    svg = svg[svg.index("<svg") :].replace("xlink:href", "href")
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    # The page decides how wide it is.
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)


@contextmanager
def new_figure(width_in: float, height_in: float) -> "Iterator[Figure]":
    """A figure in the look that all of xopt's have, for `to_svg`.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    need("matplotlib", extra="report")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Figure itself, not pyplot: nothing global is left behind, and no display is looked for.
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def unit_square(axes: "Axes", x_label: str, y_label: str) -> None:
    """Axes of two shares, each from 0 to 1."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xticklabels(("0", "0.5", "1"))
    axes.set_yticklabels(("0", "0.5", "1"))
    axes.tick_params(labelsize=8, length=2)
    axes.set_xlabel(x_label, fontsize=8, labelpad=1)
    axes.set_ylabel(y_label, fontsize=8, labelpad=1)


def latency_axis(axes: "Axes", low: float, high: float) -> None:
    """A logarithmic axis around latencies from `low` to `high` milliseconds, with round numbers on it."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    # At least a factor of two, so that equal variants do not look far apart.
    middle, reach = sqrt(low * high), max(sqrt(high / low) * 1.12, sqrt(2))
    low, high = middle / reach, middle * reach
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    fine = high / low < 12
    steps = (1, 1.5, 2, 3, 5, 7) if fine else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(-4, 7) for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
