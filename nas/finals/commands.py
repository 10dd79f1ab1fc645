"""xopt nas finish: a search becomes a bundle and a report."""

from pathlib import Path
from typing import Annotated

import typer

from ...datasets.command_options import FormatOption
from ...optimize.command_options import OutOption
from ...runtime.console import ForceOption, JsonOption, ReportOption, note
from ...runtime.options import with_options
from .settings import FinalsSettings


@with_options
def finish(
    *,
    search: Annotated[Path, typer.Argument(help="The folder of a search.", metavar="SEARCH")],
    out: OutOption,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled images; the search's by default.", metavar="SOURCE"),
    ] = None,
    data_format: FormatOption = None,
    report: ReportOption = None,
    settings: FinalsSettings,
    latency_table: Annotated[
        Path | None, typer.Option("--latency-table", help="Table by xopt nas latency.", metavar="TABLE.json")
    ] = None,
    any_machine: Annotated[
        bool, typer.Option("--any-machine", help="Also take a table of another machine.")
    ] = False,
    storage: Annotated[
        str | None, typer.Option("--storage", help="The search's storage, where it needs a password.")
    ] = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Train the best candidates again with several seeds, compare them, and make the winner a bundle.

    What was finished before is not done again. The test split is scored once, for the winner. Exit code 3 if
    no finalist is fast enough, or INT8 loses more AUC than allowed.
    """
    from .finish_search import finish_search, show_finished

    finished = finish_search(
        search,
        out,
        data=data,
        data_format=data_format,
        storage=storage,
        settings=settings,
        table=latency_table,
        any_machine=any_machine,
        report=report,
        force=force,
        say=note,
    )
    show_finished(finished, out, report, json_target)
