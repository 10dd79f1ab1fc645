"""Display of a running search: a table that changes in place on a terminal, a line a candidate elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...runtime.console import note
from .candidates import Candidate, State, best_of
from .engine import Watcher
from .result import OBJECTIVE

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN = 10


@contextmanager
def watched(budget: int) -> Iterator[Watcher]:
    """Show a search of `budget` candidates on stderr while the block runs."""
    if not sys.stderr.isatty():
        yield Watcher(ended=lambda row, rows: note(describe(row, rows, budget)))
        return
    from rich.console import Console
    from rich.live import Live

    started = time.monotonic()
    with Live(console=Console(stderr=True), transient=True, refresh_per_second=2) as live:

        def show(rows: Sequence[Candidate]) -> None:
            live.update(_table(rows, budget, time.monotonic() - started))

        yield Watcher(ended=lambda row, rows: show(rows), looked=show)


def describe(row: Candidate, rows: Sequence[Candidate], budget: int) -> str:
    """One candidate that ended, in a line."""
    place = f"{sum(not other.is_open for other in rows)}/{budget} {row.code}"
    if row.state is State.FAILED:
        return f"{place}: failed, {row.reason}"
    best = best_of(rows)
    beside = f"best {best[0].value:.4f}" if best else "no best one yet"
    how = ", stopped early" if row.state is State.STOPPED else ", from the cache" if row.cached else ""
    epochs = f"{row.epochs} epoch{'s' * (row.epochs != 1)}"
    return (
        f"{place}: {OBJECTIVE} {row.value:.4f} ({beside}), {row.parameters:,} parameters, "
        f"{epochs}, {row.seconds:.0f} s{how}"
    )


def _table(rows: Sequence[Candidate], budget: int, seconds: float) -> "Table":
    from rich.table import Table

    ended = sum(not row.is_open for row in rows)
    shown = Table(title=f"{ended} of {budget} candidates, {seconds:.0f} s", title_justify="left", box=None)
    for heading in ("", "architecture", "AUC", "epochs", "parameters"):
        shown.add_column(heading, justify="left" if heading in ("", "architecture") else "right")
    running = [row for row in rows if row.state is State.RUNNING]
    for word, row in [*(("running", row) for row in running), *(("", row) for row in best_of(rows)[:_SHOWN])]:
        value = row.value if row.value is not None else max(row.curve, default=None)
        auc = "-" if value is None else f"{value:.4f}"
        shown.add_row(word, row.code, auc, str(row.epochs), f"{row.parameters:,}")
    return shown
