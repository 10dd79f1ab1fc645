"""The figures of a finished search: progress, the front of quality and cost, finalists, the winner's curves.

One colour a role, the same in every figure: candidates grey, finalists orange, the winner blue.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...metrics.scores import precision_recall_curve, roc_curve
from ...report.plots import COLOURS, REFERENCE_COLOUR, new_figure, unit_square
from ..finals.result import Finalist, Finished
from ..search.candidates import Candidate, pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

FINALIST, WINNER = COLOURS[0], COLOURS[1]
CANDIDATE = "#9aa3ab"


def progress(finished: Finished) -> "Figure":
    """The value of each candidate in the order of asking, and the best so far."""
    rows = valued(finished.rows)
    numbers, values = [row.number for row in rows], [row.value or 0.0 for row in rows]
    with new_figure(6.4, 3.4) as figure:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        best = np.maximum.accumulate(values)
        axes.step(numbers, best, where="post", color=REFERENCE_COLOUR, linewidth=1.4, label="best so far")
        _dots(axes, rows, numbers, finished)
        axes.set_title("Progress of the search")
        axes.set_xlabel("candidate, in the order of asking")
        axes.set_ylabel("val mean AUC")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True)
        _legend(figure)
    return figure


def front(finished: Finished) -> "Figure":
    """Value against predicted latency, or parameters where none is predicted, with the Pareto front."""
    rows = valued(finished.rows)
    timed = all(row.latency_ms is not None for row in rows)
    costs = [float(row.latency_ms or 0) if timed else row.parameters / 1e6 for row in rows]
    values = [row.value or 0.0 for row in rows]
    with new_figure(6.4, 3.4) as figure:
        axes = figure.subplots()
        best = pareto_front(list(zip(values, costs, strict=True)))
        axes.step(
            [costs[i] for i in best],
            [values[i] for i in best],
            where="post",
            color=REFERENCE_COLOUR,
            linewidth=1.1,
            linestyle="--",
            label="Pareto front",
        )
        _dots(axes, rows, costs, finished)
        limit = finished.settings.max_latency_ms
        if timed and limit is not None:
            axes.axvline(limit, color=COLOURS[3], linewidth=1, label=f"limit {limit:g} ms")
        axes.set_title("AUC and latency" if timed else "AUC and size")
        axes.set_xlabel("predicted latency of one image, ms" if timed else "parameters, millions")
        axes.set_ylabel("val mean AUC")
        axes.grid(visible=True)
        _legend(figure)
    return figure


def finalists(finished: Finished) -> "Figure":
    """Each finalist's trainings as dots, their mean with its interval as a bar."""
    ranked = [f for f in reversed(finished.finalists) if f.standing is not None]
    with new_figure(6.4, 1.3 + 0.5 * len(ranked)) as figure:
        axes = figure.subplots()
        for level, finalist in enumerate(ranked):
            _bar(axes, level, finalist)
        axes.set_yticks(range(len(ranked)), [finalist.row.code for finalist in ranked], family="monospace")
        axes.set_ylim(-0.6, len(ranked) - 0.4)
        axes.set_title("Finalists on split val")
        axes.set_xlabel("mean AUC; dots are trainings, bars 95 % intervals of their mean")
        axes.grid(visible=True, axis="x")
    return figure


def roc(labels_N: "NDArray[np.uint8]", scores_N: "NDArray[np.float64]") -> "Figure":
    """The ROC curve of one class."""
    with new_figure(2.6, 2.6) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
        curve = roc_curve(labels_N, scores_N)
        if curve is not None:
            axes.plot(curve.x, curve.y, color=WINNER, linewidth=1.6)
        unit_square(axes, "false positive rate", "sensitivity")
    return figure


def precision_recall(labels_N: "NDArray[np.uint8]", scores_N: "NDArray[np.float64]") -> "Figure":
    """The precision-recall curve of one class; the level line is the share of positives."""
    with new_figure(2.6, 2.6) as figure:
        axes = figure.subplots()
        axes.axhline(float(labels_N[labels_N >= 0].mean()), color="#cccccc", linewidth=0.8)
        curve = precision_recall_curve(labels_N, scores_N)
        if curve is not None:
            axes.plot(curve.x, curve.y, color=WINNER, linewidth=1.6)
        unit_square(axes, "sensitivity (recall)", "precision")
    return figure


def valued(rows: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that have a value."""
    return [row for row in rows if row.value is not None]


def _dots(axes: "Axes", rows: Sequence[Candidate], at: Sequence[float], finished: Finished) -> None:
    trained = {f.row.code for f in finished.finalists if f.standing is not None}
    winner = finished.winner.row.code
    roles = (
        ("candidate", CANDIDATE, 22, lambda code: code not in trained),
        ("finalist", FINALIST, 34, lambda code: code in trained and code != winner),
        ("winner", WINNER, 46, lambda code: code == winner),
    )
    for label, colour, area, plays in roles:
        points = [(x, row.value or 0.0) for x, row in zip(at, rows, strict=True) if plays(row.code)]
        if points:
            xs, ys = zip(*points, strict=True)
            axes.scatter(xs, ys, s=area, color=colour, edgecolor="white", zorder=3, label=label)


def _bar(axes: "Axes", level: int, finalist: Finalist) -> None:
    standing = finalist.standing
    if standing is None:
        return
    colour = WINNER if finalist.won else FINALIST
    axes.plot(
        [standing.interval.lower, standing.interval.upper],
        [level, level],
        color=colour,
        linewidth=5,
        alpha=0.35,
        solid_capstyle="round",
    )
    axes.scatter([standing.auc], [level], s=60, marker="|", color=colour, linewidth=2, zorder=4)
    axes.scatter(standing.aucs, [level] * len(standing.aucs), s=20, color=colour, edgecolor="white", zorder=3)


def _legend(figure: "Figure") -> None:
    figure.legend(loc="outside lower center", ncols=5, fontsize=9, handletextpad=0.3, columnspacing=1)
