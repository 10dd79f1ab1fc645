"""A run, or several, as one HTML file: no script, no font, no address outside of it."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from .. import __version__
from ..report import page
from ..runtime.files import write_file
from ..runtime.requires import install_line
from .comparing import Run, RunComparison
from .curves import auc_curves, can_draw, loss_curves, run_curves

PAGE = "run.html"
NO_CURVES = f"no curves: matplotlib is not installed here ({install_line('report')})"


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
    cards = [
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
    headings = ("epoch", "train loss", "val loss", "val AUC", "accuracy", "rate", "ms/step", "seconds")
    rows = [
        (
            str(e.epoch),
            f"{e.train_loss:.4f}",
            f"{e.val_loss:.4f}",
            "-" if e.val_auc is None else f"{e.val_auc:.4f}",
            f"{e.val_accuracy:.4f}",
            f"{e.learning_rate:.3g}",
            f"{e.step_ms:.1f}",
            f"{e.seconds:.1f}",
        )
        for e in run.history
    ]
    settings = [(name, f"<code>{escape(str(value))}</code>") for name, value in asdict(run.recipe).items()]
    body = [
        page.cards(cards),
        *curves,
        "<h2>Epochs</h2>",
        _table(headings, rows),
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
