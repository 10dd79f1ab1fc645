"""tune: the fastest variant that keeps its AUC, or the best AUC within a latency, on this machine."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...datasets.command_options import DataOptions
from ...runtime.console import ForceOption, JsonOption, ReportOption, note, show
from ...runtime.errors import UsageError
from ...runtime.files import check_free, write_file
from ...runtime.options import split_words, with_options
from ...runtime.requires import need
from ..command_options import OutOption, WeightsOptions
from ..libraries import need_export, need_quantize
from .settings import TuneSettings

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class VariantOptions:
    """The variants to try, as lists with commas."""

    crops: Annotated[str, typer.Option(help="Crop plans to try.")] = ",".join(TuneSettings.crops)
    engines: Annotated[str, typer.Option(help="Engines to try.")] = ",".join(TuneSettings.engines)
    presets: Annotated[str, typer.Option(help="INT8 presets to try; empty: no INT8.")] = ",".join(
        TuneSettings.presets
    )
    layers_back: Annotated[
        str, typer.Option(help="Numbers of layers to return to FP32 where INT8 misses the gate.")
    ] = ",".join(map(str, TuneSettings.layers_back))
    threads: Annotated[
        str, typer.Option(help="Numbers of threads to try, 1,2; the engine's choice by default.")
    ] = ""
    streams: Annotated[
        str, typer.Option(help="Images at once to try for files/s, 1,2; all threads by default.")
    ] = ""

    def applied_to(self, settings: TuneSettings) -> TuneSettings:
        """`settings` with these variants.

        Raises:
            UsageError: a list does not hold what it should.
        """
        return replace(
            settings,
            crops=split_words(self.crops),
            engines=split_words(self.engines),
            presets=split_words(self.presets),
            layers_back=_numbers(self.layers_back, "--layers-back"),
            threads=_numbers(self.threads, "--threads") or TuneSettings.threads,
            streams=_numbers(self.streams, "--streams") or TuneSettings.streams,
        )


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in split_words(text))
    except ValueError:
        raise UsageError(f"{option} takes whole numbers with commas between them, got {text!r}") from None


@app.command()
@with_options
def tune(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint, as for `xopt export`, or an FP32 bundle.", metavar="CHECKPOINT_OR_BUNDLE"
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Labelled images: calibrate on train, select on --gate-split, report on --report-split.",
            metavar="SOURCE",
        ),
    ],
    out: OutOption,
    settings: TuneSettings,
    variants: VariantOptions,
    weights: WeightsOptions,
    report: ReportOption = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the same as Markdown.", metavar="FILE.md")
    ] = None,
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Try precisions, crop plans and engines on this machine, and keep the fastest that passes the gate.

    The choice is made on --gate-split, and held against --report-split once. Exit code 3 if no variant meets
    the objective: the nearest is kept as OUT.rejected, with the reason. A tuning that was stopped goes on
    with the same command: its work folder is OUT.tune.
    """
    need_export()
    need_quantize()
    for path in (report, markdown):
        if path is not None:
            check_free(path, force=force)
    if report is not None:
        need("matplotlib", extra="report")
    from .source import open_source
    from .terminal import describe
    from .tuning import NotMetError
    from .tuning import tune as run

    tried = variants.applied_to(settings)
    opened = open_source(source, architecture=weights.arch, classes=weights.class_names())
    dataset = reading.open(data)
    failure: NotMetError | None = None
    try:
        made = run(opened, dataset, out, settings=tried, say=note, force=force)
    except NotMetError as error:
        failure, made = error, error.result
    _write_pages(made.facts, report, markdown, force=force)
    if failure is None or json_target is not None:
        show(describe(made.facts, out), made.facts, json_target)
    if failure is not None:
        raise failure


def _write_pages(facts: dict[str, Any], report: Path | None, markdown: Path | None, *, force: bool) -> None:
    if report is None and markdown is None:
        return
    from . import report as pages

    for path, render in ((report, pages.to_html), (markdown, pages.to_markdown)):
        if path is not None:
            write_file(path, render(facts), force=force)
