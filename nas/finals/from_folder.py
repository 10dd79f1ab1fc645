"""From a search's folder to its bundle and its report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...datasets import open_source
from ...runtime.errors import UsageError
from ...runtime.files import check_free, write_file
from ..hardware.table import load_table
from ..search.factory import make_space
from ..search.result import read_search
from .finished import Finished
from .finishing import finish
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
    found = read_search(search, storage=storage)
    if found.searching:
        raise UsageError(f"a search is at work in {search}; wait for it, then finish it")
    if report is not None:
        check_free(report, force=force)
    how = settings or FinalsSettings()
    if how.max_latency_ms is None:
        how = replace(how, max_latency_ms=found.settings.max_latency_ms)
    place = table or found.settings.latency_table
    blocks = None if place is None else load_table(place, any_machine=any_machine)
    searched = found.settings
    dataset = open_source(
        data or searched.data,
        data_format or searched.data_format,
        uncertain=searched.uncertain,
        findings=searched.findings,
    )
    finished = finish(
        found.rows,
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
        from ..report import render

        write_file(report, render(finished), force=force)
    return finished
