"""The figures of a benchmark, as SVG: speed against accuracy, curves per finding, latency distributions.

One colour per variant and one marker per engine, the same in every figure. The same numbers give the same
bytes: no date, no random ids.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.requires import need
from .comparison import Comparison, Row
from .metrics import Curve, precision_recall_curve, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    DrawFinding = Callable[[Comparison, int], Figure]

# Okabe and Ito's palette, which colour-blind readers can tell apart; the reference is grey.
REFERENCE_COLOUR = "#444444"
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
MARKERS = {"torch": "s", "onnxruntime": "^", "openvino": "o"}

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


def colours(comparison: Comparison) -> dict[str, str]:
    """A colour per variant, by name; beyond six variants they start over."""
    others = {row.name: COLOURS[i % len(COLOURS)] for i, row in enumerate(comparison.rows[1:])}
    return {comparison.reference.name: REFERENCE_COLOUR, **others}


def latency_auc(comparison: Comparison) -> "Figure":
    """Latency against mean AUC: the AUCs with their intervals above, the paired changes below.

    Images of one test set move all AUCs up or down together, so the upper intervals are wide and overlap;
    the lower ones say whether a variant lost anything against the reference.
    """
    with _figure(6.4, 6.0 + 0.22 * ((len(comparison.rows) + 1) // 2)) as figure:
        absolute, change = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        tint = colours(comparison)
        for row in comparison.rows:
            _point(absolute, row, tint[row.name])
            _change_point(change, row, tint[row.name])
        reference = comparison.reference.name
        absolute.set_title("Mean AUC")
        change.set_title(f"Change in mean AUC from {reference}")
        change.axhline(0, color=REFERENCE_COLOUR, linewidth=0.8)
        change.set_xlabel("latency of one image, ms (log scale)")
        _latency_axis(change, comparison.rows)
        for axes in (absolute, change):
            axes.grid(visible=True)
            axes.margins(y=0.12)
        handles, labels = absolute.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2, handletextpad=0.4)
    return figure


def distributions(comparison: Comparison) -> "Figure":
    """How latencies spread: one hill a variant, with its median, 90th and 99th percentile."""
    rows = comparison.rows
    with _figure(6.4, 1.0 + 0.62 * len(rows)) as figure:
        axes = figure.subplots()
        tint = colours(comparison)
        for level, row in enumerate(reversed(rows)):
            _hill(axes, row, level, tint[row.name])
        axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.15, len(rows))
        axes.set_xlabel("latency of one image, ms (log scale)")
        axes.grid(visible=True, axis="x")
        _latency_axis(axes, rows)
    return figure


def roc(comparison: Comparison, finding: int) -> "Figure":
    """The ROC curves of one finding: the reference's and the most compressed variant's."""
    with _figure(2.1, 2.1) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
        for row, colour, width in _pair(comparison):
            _draw(axes, roc_curve(*_column(comparison, row, finding)), colour, width)
        _unit_square(axes, "false positive rate", "sensitivity")
    return figure


def precision_recall(comparison: Comparison, finding: int) -> "Figure":
    """The precision-recall curves of one finding, as `roc`; the level line is the share of positives."""
    with _figure(2.1, 2.1) as figure:
        axes = figure.subplots()
        axes.axhline(float(comparison.split.labels_NC[:, finding].mean()), color="#cccccc", linewidth=0.8)
        for row, colour, width in _pair(comparison):
            _draw(axes, precision_recall_curve(*_column(comparison, row, finding)), colour, width)
        _unit_square(axes, "sensitivity (recall)", "precision")
    return figure


def to_svg(figure: "Figure", *, prefix: str = "", inline: bool = False) -> str:
    """A figure as SVG text.

    Args:
        figure: drawn by a function of this file.
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
def _figure(width_in: float, height_in: float) -> "Iterator[Figure]":
    need("matplotlib", extra="report")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Figure itself, not pyplot: nothing global is left behind, and no display is looked for.
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def _point(axes: "Axes", row: Row, colour: str) -> None:
    interval = row.intervals.mean
    if row.auc is None or interval is None:
        return
    label = f"{row.name}: {row.latency.p50:.3g} ms, {row.speedup.ratio:.3g} ×"
    _cross(axes, row, (row.auc, interval.lower, interval.upper), colour, label)


def _change_point(axes: "Axes", row: Row, colour: str) -> None:
    if row.drop is None:
        return
    _cross(axes, row, (-row.drop.drop, -row.drop.upper, -row.drop.lower), colour, None)


def _cross(axes: "Axes", row: Row, value: tuple[float, float, float], colour: str, label: str | None) -> None:
    middle, lower, upper = value
    p50 = row.latency.p50
    p5, p95 = np.percentile(row.measured.latency_ms, [5, 95])
    axes.errorbar(
        [p50],
        [middle],
        xerr=[[p50 - p5], [p95 - p50]],
        yerr=[[middle - lower], [upper - middle]],
        fmt=MARKERS[row.measured.variant.engine],
        color=colour,
        markersize=7,
        markeredgecolor="white",
        markeredgewidth=0.8,
        elinewidth=1.3,
        capsize=2.5,
        label=label,
    )


def _hill(axes: "Axes", row: Row, level: int, colour: str) -> None:
    latency_ms = row.measured.latency_ms
    logs = np.log(latency_ms)
    # Beyond the 99.5th percentile single stragglers would flatten every hill.
    low, high = logs.min(), np.percentile(logs, 99.5)
    counts, edges = np.histogram(logs, bins=np.linspace(low - 0.02, high + 0.02, 40))
    heights = 0.8 * counts / max(1, counts.max())
    middles = np.exp((edges[:-1] + edges[1:]) / 2)
    axes.fill_between(middles, level, level + heights, step="mid", color=colour, alpha=0.75, linewidth=0)
    axes.plot([np.exp(low), np.exp(high)], [level, level], color=colour, linewidth=0.8)
    for value, reach in ((row.latency.p50, 0.86), (row.latency.p90, 0.5), (row.latency.p99, 0.3)):
        axes.plot([value, value], [level, level + reach], color="#222222", linewidth=0.9)


def _pair(comparison: Comparison) -> list[tuple[Row, str, float]]:
    tint = colours(comparison)
    compressed = comparison.smallest
    pair = [(comparison.reference, REFERENCE_COLOUR, 2.2)]
    if compressed is not comparison.reference:
        pair.append((compressed, tint[compressed.name], 1.2))
    return pair


def _column(comparison: Comparison, row: Row, finding: int) -> tuple[Any, Any]:
    return comparison.split.labels_NC[:, finding], row.measured.probabilities[:, finding]


def _draw(axes: "Axes", curve: Curve | None, colour: str, width: float) -> None:
    if curve is not None:
        axes.plot(curve.x, curve.y, color=colour, linewidth=width, solid_joinstyle="round")


def _unit_square(axes: "Axes", x_label: str, y_label: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xticklabels(("0", "0.5", "1"))
    axes.set_yticklabels(("0", "0.5", "1"))
    axes.tick_params(labelsize=8, length=2)
    axes.set_xlabel(x_label, fontsize=8, labelpad=1)
    axes.set_ylabel(y_label, fontsize=8, labelpad=1)


def _latency_axis(axes: "Axes", rows: Sequence[Row]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low = min(float(np.percentile(row.measured.latency_ms, 1)) for row in rows)
    high = max(float(np.percentile(row.measured.latency_ms, 99)) for row in rows)
    # At least a factor of two, so that equal variants do not look far apart.
    middle, reach = np.sqrt(low * high), max(np.sqrt(high / low) * 1.12, np.sqrt(2))
    low, high = middle / reach, middle * reach
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    fine = high / low < 12
    steps = (1, 1.5, 2, 3, 5, 7) if fine else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(-4, 7) for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
