"""The search in a folder becomes a bundle and a report: `xopt nas finish` and `xopt nas search --bundle`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...runtime.console import note, show
from ...runtime.errors import UsageError
from ...runtime.files import check_free, write_file
from ..hardware.latency_table import load_table
from ..search.command_options import BundleOptions
from ..search.factory import make_space
from ..search.result import SearchResult, read_search
from ..search.settings import SearchSettings
from .pipeline import finish
from .result import Finished
from .settings import FinalsSettings


def finish_search(
    search: Path,
    out: Path,
    *,
    data: Path | None = None,
    data_format: str | None = None,
    storage: str | None = None,
    settings: FinalsSettings | None = None,
    table: Path | None = None,
    any_machine: bool = False,
    report: Path | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Finished:
    """Finish a search that lies in a folder.

    Args:
        search: the folder of `xopt nas search`.
        out: the bundle's folder.
        data: where the images are now; None takes the search's own source.
        data_format: of `data`.
        storage: the storage's URL with its password, where the folder's has been written without.
        settings: of the finals.
        table: a latency table of this machine; None takes the search's own.
        any_machine: take a table of another machine, too.
        report: an HTML file to write.
        force: replace what is at `out` and `report`.
        say: called with a line after each step.

    Raises:
        XoptError: see `finish`, `read_search` and `load_table`.
    """
    result = read_search(search, storage=storage)
    if result.searching:
        raise UsageError(f"a search is at work in {search}; wait for it, then finish it")
    if report is not None:
        check_free(report, force=force)
    how, searched = settings or FinalsSettings(), result.settings
    if how.max_latency_ms is None:
        how = replace(how, max_latency_ms=searched.max_latency_ms)
    place = table or searched.latency_table
    blocks = None if place is None else load_table(place, any_machine=any_machine)
    searched = replace(searched, data=data or searched.data, data_format=data_format or searched.data_format)
    dataset = searched.open_data()
    finished = finish(
        result.rows,
        search=search,
        space=make_space(searched, dataset),
        dataset=dataset,
        recipe=searched.recipe,
        out=out,
        settings=how,
        table=blocks,
        force=force,
        say=say,
    )
    if report is not None:
        _write_report(finished, report, force=force)
    return finished


def _write_report(finished: Finished, file: Path, *, force: bool) -> None:
    from ..report import render

    write_file(file, render(finished), force=force)


def finals_of(search: SearchSettings, asked: BundleOptions) -> FinalsSettings | None:
    """The settings of the finals, checked before a search begins that may take days; None without a bundle.

    Raises:
        UsageError: no such precision, or another one than that of the search's latency table.
        DataError: the latency table cannot be read.
    """
    if asked.bundle is None:
        return None
    settings = FinalsSettings(finalists=asked.finalists, seeds=asked.seeds, precision=asked.precision)
    settings.fitted_to(None if search.latency_table is None else load_table(search.latency_table))
    return settings


def finish_and_show(
    result: SearchResult,
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
        note(result.to_text())
    finished = finish_search(
        result.folder,
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
