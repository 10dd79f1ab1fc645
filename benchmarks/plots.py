"""The figures of a benchmark, as SVG: speed against accuracy, curves per finding, latency distributions.

One colour per variant and one marker per engine, the same in every figure.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics.scores import Curve, precision_recall_curve, roc_curve
from ..report.plots import (
    COLOURS,
    MARKERS,
    REFERENCE_COLOUR,
    latency_axis,
    new_figure,
    unit_square,
)
from .comparison import Comparison, Row
from .latency import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    DrawFinding = Callable[[Comparison, int], Figure]

# Of the curves: the reference's is the broader, so that it shows on both sides of the variant's.
_WIDTHS = (2.2, 1.2)
# Characters of a legend entry that fit twice beside each other.
_HALF_WIDTH = 37


def colours(comparison: Comparison) -> dict[str, str]:
    """A colour per variant, by name; beyond six variants they start over."""
    others = {row.name: COLOURS[i % len(COLOURS)] for i, row in enumerate(comparison.rows[1:])}
    return {comparison.reference.name: REFERENCE_COLOUR, **others}


def pair(comparison: Comparison) -> list[Row]:
    """The rows whose curves are drawn: the reference, and the most compressed variant if that is another."""
    return list(dict.fromkeys((comparison.reference, comparison.smallest)))


def latency_auc(comparison: Comparison) -> "Figure":
    """Latency against mean AUC: the AUCs with their intervals above, the paired changes below.

    Images of one test set move all AUCs up or down together, so the upper intervals are wide and overlap;
    the lower ones say whether a variant lost anything against the reference.
    """
    labels = [
        f"{row.name}: {in_words(row.latency.p50)} ms, {row.speedup.ratio:.3g} ×" for row in comparison.rows
    ]
    columns = 2 if max(map(len, labels)) <= _HALF_WIDTH else 1
    with new_figure(6.4, 5.9 + 0.21 * -(-len(labels) // columns)) as figure:
        absolute, change = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        tint = colours(comparison)
        for row in comparison.rows:
            _auc_point(absolute, row, tint[row.name])
            _change_point(change, row, tint[row.name])
        reference = comparison.reference.name
        absolute.set_title("Mean AUC")
        change.set_title(f"Change in mean AUC from {reference}")
        change.axhline(0, color=REFERENCE_COLOUR, linewidth=0.8)
        change.set_xlabel("latency of one image, ms (log scale)")
        spread = [np.percentile(row.measured.latency_ms, [1, 99]) for row in comparison.rows]
        latency_axis(change, float(min(low for low, _ in spread)), float(max(high for _, high in spread)))
        for axes in (absolute, change):
            axes.grid(visible=True)
            axes.margins(y=0.12)
        # The marker alone: at this size the bars would blur it.
        handles = [bars[0] for bars in absolute.containers]
        figure.legend(
            handles, labels, loc="outside lower left", ncols=columns, handletextpad=0.4, fontsize=9.5
        )
    return figure


def distributions(comparison: Comparison) -> "Figure":
    """Draw the distribution of latencies around each variant's own median, with percentiles."""
    rows = tuple(reversed(comparison.rows))
    with new_figure(6.4, 1.1 + 0.75 * len(rows)) as figure:
        axes = figure.subplots()
        tint = colours(comparison)
        far = max(float(np.percentile(row.measured.latency_ms, 99)) / row.latency.p50 for row in rows)
        near = min(float(row.measured.latency_ms.min()) / row.latency.p50 for row in rows)
        bins = np.linspace(max(0.5, near) - 0.02, min(3.0, max(1.2, 1.1 * far)), 90)
        for level, row in enumerate(rows):
            _hill(axes, row, level, bins, tint[row.name])
        axes.set_xlim(bins[0], bins[-1])
        axes.set_ylim(-0.1, len(rows))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title("Latency of one image, relative to the variant's median")
        axes.set_xlabel("times the median; lines at the 50th, 90th and 99th percentile")
        axes.grid(visible=True, axis="x")
    return figure


def roc(comparison: Comparison, finding: int) -> "Figure":
    """The ROC curves of one finding: the reference's and the most compressed variant's."""
    with new_figure(1.8, 1.8) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
        for row, width in zip(pair(comparison), _WIDTHS, strict=False):
            curve = roc_curve(*_column(comparison, row, finding))
            _draw(axes, curve, colours(comparison)[row.name], width)
        unit_square(axes, "false positive rate", "sensitivity")
    return figure


def precision_recall(comparison: Comparison, finding: int) -> "Figure":
    """The precision-recall curves of one finding, as `roc`; the level line is the share of positives."""
    with new_figure(1.8, 1.8) as figure:
        axes = figure.subplots()
        labels_N = comparison.split.marked_labels[:, finding]
        axes.axhline(float(labels_N[labels_N >= 0].mean()), color="#cccccc", linewidth=0.8)
        for row, width in zip(pair(comparison), _WIDTHS, strict=False):
            curve = precision_recall_curve(*_column(comparison, row, finding))
            _draw(axes, curve, colours(comparison)[row.name], width)
        unit_square(axes, "sensitivity (recall)", "precision")
    return figure


def _auc_point(axes: "Axes", row: Row, colour: str) -> None:
    interval = row.intervals.mean
    if row.auc is not None and interval is not None:
        _cross(axes, row, (row.auc, interval.lower, interval.upper), colour)


def _change_point(axes: "Axes", row: Row, colour: str) -> None:
    if row.drop is not None:
        _cross(axes, row, (-row.drop.drop, -row.drop.upper, -row.drop.lower), colour)


def _cross(axes: "Axes", row: Row, value: tuple[float, float, float], colour: str) -> None:
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
    )


def _hill(axes: "Axes", row: Row, level: int, bins: "NDArray[np.float64]", colour: str) -> None:
    relative = row.measured.latency_ms / row.latency.p50
    counts, _ = np.histogram(relative, bins=bins)
    heights = 0.55 * counts / max(1, counts.max())
    axes.stairs(level + heights, bins, baseline=level, fill=True, color=colour, alpha=0.8)
    axes.axhline(level, color=colour, linewidth=0.8)
    points = [row.latency.p50, row.latency.p90, row.latency.p99]
    axes.vlines(
        [value / row.latency.p50 for value in points], level, level + 0.6, color="#222222", linewidth=0.9
    )
    said = " / ".join(map(in_words, points))
    axes.text(
        0.995,
        level + 0.66,
        f"{row.name}: {said} ms",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=9,
    )


def _column(comparison: Comparison, row: Row, finding: int) -> tuple[Any, Any]:
    return comparison.split.marked_labels[:, finding], row.measured.probabilities[:, finding]


def _draw(axes: "Axes", curve: Curve | None, colour: str, width: float) -> None:
    if curve is not None:
        axes.plot(curve.x, curve.y, color=colour, linewidth=width, solid_joinstyle="round")
