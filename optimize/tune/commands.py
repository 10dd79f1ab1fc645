"""tune: the fastest variant that keeps its AUC, or the best AUC within a latency, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ...datasets.command_options import FindingsOption, UncertainOption
from ...runtime.console import ForceOption, JsonOption, note, show
from ...runtime.errors import UsageError
from ...runtime.files import check_free, write_file
from ...runtime.requires import need
from ..libraries import need_export, need_quantize

app = typer.Typer()


def words(text: str) -> tuple[str, ...]:
    """The words of a list with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str, option: str) -> tuple[int, ...]:
    """The whole numbers of a list with commas.

    Raises:
        UsageError: something else stands in it.
    """
    try:
        return tuple(int(word) for word in words(text))
    except ValueError:
        raise UsageError(f"{option} takes whole numbers with commas between them, got {text!r}") from None


@app.command()
def tune(
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
            help="Labelled images: train calibrates, --gate-split decides, --report-split is the claim.",
            metavar="SOURCE",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder.", metavar="BUNDLE")],
    max_auc_drop: Annotated[
        float | None,
        typer.Option(
            "--max-auc-drop",
            help="Largest drop in mean AUC, by its 95 % upper bound; 0.01 without --max-latency-ms.",
        ),
    ] = None,
    max_class_auc_drop: Annotated[
        float | None,
        typer.Option("--max-class-auc-drop", help="Largest drop in the AUC of any single finding."),
    ] = None,
    max_latency_ms: Annotated[
        float | None,
        typer.Option("--max-latency-ms", help="The best AUC that answers nine of ten images within it."),
    ] = None,
    # Written out: runtime.images.crops, which knows them, would bring numpy into every start.
    crops: Annotated[
        str, typer.Option("--crops", help="Crop plans to try.")
    ] = "center,five,ten,five-shared,ten-shared",
    engines: Annotated[str, typer.Option("--engines", help="Engines to try.")] = "openvino,onnxruntime",
    presets: Annotated[
        str, typer.Option("--presets", help="INT8 presets to try; empty: no INT8.")
    ] = "performance,mixed",
    layers_back: Annotated[
        str,
        typer.Option("--layers-back", help="Numbers of layers to return to FP32 where INT8 misses the gate."),
    ] = "2,4,8,16",
    threads: Annotated[
        str, typer.Option("--threads", help="Numbers of threads to try, 1,2; the engine's choice by default.")
    ] = "",
    streams: Annotated[
        str, typer.Option("--streams", help="Images at once to try for files/s, 1,2; all threads by default.")
    ] = "",
    rounds: Annotated[
        int, typer.Option("--rounds", min=8, help="Images that finalists are measured on.")
    ] = 30,
    calibration_size: Annotated[
        int, typer.Option("--calibration-size", min=1, help="Training images that calibrate INT8.")
    ] = 150,
    alignment_size: Annotated[
        int, typer.Option("--alignment-size", min=0, help="Training images that align a shared plan's head.")
    ] = 100,
    gate_split: Annotated[str, typer.Option("--gate-split", help="The split that decides.")] = "val",
    report_split: Annotated[
        str, typer.Option("--report-split", help="The split that is the claim.")
    ] = "test",
    heatmaps: Annotated[
        int, typer.Option("--heatmaps", min=0, help="Images on which heatmaps are compared.")
    ] = 12,
    complete: Annotated[
        bool, typer.Option("--complete", help="Measure the AUC of variants that cannot be chosen, too.")
    ] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=100, help="Bootstrap replicates.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resampling and of calibration.")] = 0,
    arch: Annotated[
        str | None, typer.Option("--arch", help="For a bare weights file: its architecture.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", help="For a bare weights file: one class name a line, or nih14."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a self-contained page.", metavar="FILE.html")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the same as Markdown.", metavar="FILE.md")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="The data's format, where it is not recognised by itself.")
    ] = None,
    uncertain: UncertainOption = "ignore",
    findings: FindingsOption = "competition",
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
    from ...datasets import open_source as open_data
    from ...models.checkpoint import read_classes
    from .settings import TuneSettings
    from .source import open_source
    from .summary import describe
    from .tuning import NotMetError
    from .tuning import tune as run

    settings = TuneSettings(
        max_auc_drop=max_auc_drop,
        max_class_auc_drop=max_class_auc_drop,
        max_latency_ms=max_latency_ms,
        gate_split=gate_split,
        report_split=report_split,
        crops=words(crops),
        engines=words(engines),
        presets=words(presets),
        layers_back=numbers(layers_back, "--layers-back"),
        threads=numbers(threads, "--threads") or (None,),
        streams=numbers(streams, "--streams") or (None,),
        rounds=rounds,
        calibration_size=calibration_size,
        alignment_size=alignment_size,
        heatmaps=heatmaps,
        complete=complete,
        resamples=resamples,
        seed=seed,
    )
    opened = open_source(
        source, architecture=arch, classes=None if classes is None else read_classes(classes)
    )
    dataset = open_data(data, format, uncertain=uncertain, findings=findings)
    failure: NotMetError | None = None
    try:
        made = run(opened, dataset, out, settings=settings, say=note, force=force)
    except NotMetError as error:
        failure, made = error, error.result
    if report is not None or markdown is not None:
        from . import report as pages

        for path, render in ((report, pages.to_html), (markdown, pages.to_markdown)):
            if path is not None:
                write_file(path, render(made.facts), force=force)
    if failure is None or json_target is not None:
        show(describe(made.facts, out), made.facts, json_target)
    if failure is not None:
        raise failure
