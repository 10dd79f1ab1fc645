"""xopt nas finish: a search becomes a bundle and a report."""

from pathlib import Path
from typing import Annotated

import typer

from ...runtime.console import ForceOption, JsonOption, note

REPORT_HELP = "Also write a report, one HTML file."


def finish(
    search: Annotated[Path, typer.Argument(help="The folder of a search.", metavar="SEARCH")],
    out: Annotated[Path, typer.Option("--out", help="The bundle to write.", metavar="BUNDLE")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled images; the search's by default.", metavar="SOURCE"),
    ] = None,
    data_format: Annotated[
        str | None, typer.Option("--format", help="The data's format; recognised if not given.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help=REPORT_HELP, metavar="FILE.html")] = None,
    finalists: Annotated[int, typer.Option("--finalists", min=1, help="Candidates trained again.")] = 3,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each.")] = 3,
    pick: Annotated[
        str, typer.Option("--pick", help="best values, or those on the front of value and latency.")
    ] = "best",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the search's recipe for the finals.", metavar="KEY=VALUE"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option("--precision", help="Of the bundle: int8 or fp32; as the latency table, or int8."),
    ] = None,
    max_auc_drop: Annotated[
        float, typer.Option("--max-auc-drop", help="Largest drop in mean AUC by INT8, 95 % upper bound.")
    ] = 0.01,
    calibration_size: Annotated[int, typer.Option("--calibration-size", min=1, help="Images.")] = 300,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", help="Of one image, measured on this machine.")
    ] = None,
    latency_table: Annotated[
        Path | None, typer.Option("--latency-table", help="Of xopt nas latency.", metavar="TABLE.json")
    ] = None,
    any_machine: Annotated[
        bool, typer.Option("--any-machine", help="Take a table of another machine, too.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Of one inference; as the latency table, or 1.")
    ] = None,
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
    from .from_folder import finish_search, show_finished
    from .settings import FinalsSettings

    finished = finish_search(
        search,
        out,
        data=data,
        data_format=data_format,
        storage=storage,
        settings=FinalsSettings(
            finalists=finalists,
            seeds=seeds,
            pick=pick,
            overrides=tuple(settings or ()),
            precision=precision,
            max_auc_drop=max_auc_drop,
            calibration_size=calibration_size,
            max_latency_ms=max_latency_ms,
            threads=threads,
        ),
        table=latency_table,
        any_machine=any_machine,
        report=report,
        force=force,
        say=note,
    )
    show_finished(finished, out, report, json_target)
