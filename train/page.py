"""Pages and curves of runs: one HTML file without script, font or outside address, and SVG.

The same numbers give the same bytes.
"""

from collections.abc import Callable, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import __version__
from ..report import page
from ..report.plots import COLOURS, REFERENCE_COLOUR, new_figure, to_svg
from ..runtime.files import write_file
from ..runtime.requires import install_line
from .comparing import Run, RunComparison
from .results import EPOCH_HEADINGS, Epoch

PAGE = "run.html"
NO_CURVES = f"no curves: matplotlib is not installed here ({install_line('report')})"
_SIZE_IN = (5.2, 3.4)
Value = Callable[[Epoch], float | None]
Line = tuple[str, Sequence[float | None], str]
"""Name, a value an epoch, colour."""


def write_page(folder: Path, run: Run) -> str | None:
    """Write run.html, loss.svg and auc.svg into a run folder.

    Returns:
        a remark where the curves had to be left out.

    Raises:
        OutputError: the disk refused.
    """
    drawn = can_draw()
    if drawn:
        write_file(folder / "loss.svg", loss_curves(run.history), force=True)
        write_file(folder / "auc.svg", auc_curves(run.history), force=True)
    write_file(folder / PAGE, run_page(run), force=True)
    return None if drawn else NO_CURVES


def run_page(run: Run) -> str:
    """A run's curves, epochs and settings as HTML text."""
    best = run.best
    figures = [
        ("-" if best.val_auc is None else f"{best.val_auc:.4f}", f"mean AUC on val, epoch {best.epoch}"),
        (f"{best.val_accuracy:.4f}", "accuracy on val, the same epoch"),
        (f"{run.seconds / 60:.1f} min", f"for {len(run.history)} of {run.recipe.epochs} epochs"),
        (f"{run.step_ms:.1f} ms", "a step"),
    ]
    curves = [f"<p>{escape(NO_CURVES)}</p>"]
    if can_draw():
        curves = [
            '<div class="pair">',
            f"<figure>{loss_curves(run.history, inline=True)}</figure>",
            f"<figure>{auc_curves(run.history, inline=True)}</figure>",
            "</div>",
        ]
    lines = [line.partition(" = ") for line in run.recipe.to_toml().splitlines()]
    settings = [(name, f"<code>{escape(value)}</code>") for name, _, value in lines]
    body = [
        page.cards(figures),
        *curves,
        "<h2>Epochs</h2>",
        _table(EPOCH_HEADINGS, [epoch.cells() for epoch in run.history]),
        "<h2>Recipe</h2>",
        page.definitions(settings),
    ]
    return _document(f"xopt train: {run.recipe.architecture}, {run.name}", body)


def comparison_page(comparison: RunComparison) -> str:
    """Runs side by side as HTML text."""
    headings, rows = comparison.rows()
    body = [_table(headings, rows)]
    if can_draw():
        figures = (
            ("Validation loss", lambda e: e.val_loss, "loss-"),
            ("Training loss", lambda e: e.train_loss, "train-"),
            ("Mean AUC on val", lambda e: e.val_auc, "auc-"),
            ("Accuracy on val", lambda e: e.val_accuracy, "accuracy-"),
        )
        body += ['<div class="pair">']
        for title, value, prefix in figures:
            body.append(f"<figure>{run_curves(comparison.runs, title, value, prefix=prefix)}</figure>")
        body += ["</div>"]
    else:
        body.append(f"<p>{escape(NO_CURVES)}</p>")
    note = "Speed-up is by seconds an epoch, against the first run. Accuracy and AUC: of the epoch kept."
    return _document("xopt train compare", [f'<p class="note">{note}</p>', *body])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return page.table(headings, [page.row(map(escape, row)) for row in rows])


def _document(title: str, body: Sequence[str]) -> str:
    head = f'<p class="kicker">xopt {escape(__version__)}</p>\n<h1>{escape(title)}</h1>'
    return page.document(title, [head, *body])


def can_draw() -> bool:
    """Look for matplotlib, which draws the curves."""
    return find_spec("matplotlib") is not None


def loss_curves(history: Sequence[Epoch], *, inline: bool = False) -> str:
    """Training and validation loss by epoch."""
    lines: list[Line] = [
        ("train", [epoch.train_loss for epoch in history], COLOURS[1]),
        ("val", [epoch.val_loss for epoch in history], COLOURS[0]),
    ]
    return _draw("Loss", history, lines, inline=inline)


def auc_curves(history: Sequence[Epoch], *, inline: bool = False) -> str:
    """Mean AUC and accuracy on the validation split, by epoch."""
    lines: list[Line] = [
        ("mean AUC", [epoch.val_auc for epoch in history], COLOURS[2]),
        ("accuracy", [epoch.val_accuracy for epoch in history], REFERENCE_COLOUR),
    ]
    return _draw("Validation", history, lines, inline=inline)


def run_curves(runs: Sequence[Run], title: str, value: Value, *, prefix: str) -> str:
    """One value of several runs, by minutes of training; for a page."""
    with new_figure(*_SIZE_IN) as figure:
        axes = figure.subplots()
        for number, run in enumerate(runs):
            colour = REFERENCE_COLOUR if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
            minutes, passed = [], 0.0
            for epoch in run.history:
                passed += epoch.seconds
                minutes.append(passed / 60)
            _plot(axes, minutes, [value(epoch) for epoch in run.history], colour, run.name)
        _label(axes, title, "minutes")
    return to_svg(figure, prefix=prefix, inline=True)


def _draw(title: str, history: Sequence[Epoch], lines: Sequence[Line], *, inline: bool) -> str:
    with new_figure(*_SIZE_IN) as figure:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        numbers = [epoch.epoch for epoch in history]
        for name, values, colour in lines:
            _plot(axes, numbers, values, colour, name)
        _label(axes, title, "epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return to_svg(figure, prefix=f"{title.lower()}-" if inline else "", inline=inline)


def _plot(axes: Any, x: Sequence[float], values: Sequence[float | None], colour: str, name: str) -> None:
    # matplotlib leaves a gap where a value is not a number.
    gapped = [float("nan") if value is None else value for value in values]
    axes.plot(x, gapped, color=colour, marker="o", markersize=3, label=name)


def _label(axes: Any, title: str, x_label: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.grid(visible=True)
    axes.legend()
