"""What `xopt nas search --bundle` does when the search has ended."""

from pathlib import Path

from ...runtime.console import note, show
from ..hardware.table import load_table
from ..search.result import SearchResult
from ..search.settings import SearchSettings
from .finished import Finished
from .from_folder import finish_search
from .settings import FinalsSettings


def finals_of(search: SearchSettings, *, finalists: int, seeds: int, precision: str | None) -> FinalsSettings:
    """The settings of the finals, checked before a search begins that may take days.

    Raises:
        UsageError: no such precision, or another one than that of the search's latency table.
        DataError: the latency table cannot be read.
    """
    settings = FinalsSettings(finalists=finalists, seeds=seeds, precision=precision)
    settings.fitted_to(None if search.latency_table is None else load_table(search.latency_table))
    return settings


def finish_found(
    found: SearchResult,
    out: Path,
    *,
    settings: FinalsSettings,
    report: Path | None,
    force: bool,
    json_target: str | None,
) -> None:
    """Finish a search and show both tables, or the facts of the finals with the search's as JSON.

    Raises:
        XoptError: see `finish_search`; what was searched is kept, and `xopt nas finish` goes on from it.
    """
    if json_target is None:
        note(found.to_text())
    finished = finish_search(
        found.folder,
        out,
        settings=settings,
        report=report,
        force=force,
        say=note,
    )
    show_finished(finished, out, report, json_target)


def show_finished(finished: Finished, out: Path, report: Path | None, json_target: str | None) -> None:
    """The finalists as text, or all facts as JSON."""
    where = f"bundle in {out}" if report is None else f"bundle in {out}, report in {report}"
    facts = {**finished.to_json(), "report": None if report is None else str(report)}
    show(f"{finished.to_text()}\n\n{where}", facts, json_target)
