"""score and bench: what predictions are worth, and what each variant gains and loses."""

from pathlib import Path
from typing import Annotated

import typer

from ..datasets.command_options import FindingsOption, UncertainOption
from ..runtime.console import JsonOption, note, show
from ..runtime.files import check_free, write_file
from ..runtime.requires import need

app = typer.Typer()

reference_loader = ""
"""What loads --reference, "module:function"; set by the command line, since training is above this floor."""

DataOption = Annotated[
    Path, typer.Option("--data", help="Labelled images: a folder or file.", metavar="SOURCE")
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Format of --data; recognised by what is there by default.")
]
SplitOption = Annotated[str, typer.Option("--split", help="Part of the data.")]
AllowOption = Annotated[
    bool, typer.Option("--allow-gate-images", help="Also score images that gated a bundle; it is said.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the resampling.")]


@app.command()
def score(
    predictions: Annotated[
        Path, typer.Argument(help="CSV: image, then one probability per class.", metavar="PREDICTIONS.csv")
    ],
    data: DataOption,
    split: SplitOption = "test",
    format: FormatOption = None,
    uncertain: UncertainOption = "ignore",
    findings: FindingsOption = "competition",
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            help="Predictions to take as the reference: drop = AUC of these minus AUC of PREDICTIONS.csv.",
            metavar="REFERENCE.csv",
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            help="What made PREDICTIONS.csv: images that calibrated or gated it are refused.",
            metavar="BUNDLE",
        ),
    ] = None,
    allow_gate_images: AllowOption = False,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="Positive at and above this probability.")
    ] = 0.5,
    resamples: Annotated[int, typer.Option("--resamples", min=2, help="Bootstrap replicates.")] = 1000,
    seed: SeedOption = 0,
    json_target: JsonOption = None,
) -> None:
    """Score anybody's predictions: every metric, with intervals over patients.

    Only the labels of --data are needed, its images may be absent.
    """
    from ..datasets import open_source
    from ..datasets.roles import Scored, check_roles
    from ..runtime.bundle.folder import Bundle
    from .predictions import align, read_predictions
    from .scoring import ScoreSettings, describe
    from .scoring import score as score_predictions

    dataset = open_source(data, format, uncertain=uncertain, findings=findings)
    part = dataset.split(split)
    notes: tuple[str, ...] = ()
    if bundle is not None:
        opened = Bundle.open(bundle)
        scored = Scored(split=part, preprocessing=opened.manifest.preprocessing)
        notes = check_roles([opened], dataset, scored, allow_gate_images=allow_gate_images)
    ours = align(read_predictions(predictions, dataset.classes), dataset, part)
    reference = None if compare is None else align(read_predictions(compare, dataset.classes), dataset, part)
    if ours.left_out:
        others = ", ".join(f"{count} of {name}" for name, count in ours.left_out.items())
        note(f"left out, since only split {split} is scored: {others}")
    scores = score_predictions(
        part,
        dataset.classes,
        ours.probabilities_NC,
        settings=ScoreSettings(threshold=threshold, resamples=resamples, seed=seed),
        reference_NC=None if reference is None else reference.probabilities_NC,
        reference="reference" if compare is None else compare.name,
        notes=notes,
    )
    show(describe(scores), scores.to_json(), json_target)


@app.command()
def bench(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to compare.", metavar="BUNDLE...")],
    data: DataOption,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Run this checkpoint in PyTorch as the reference; the first bundle is by default.",
            metavar="CHECKPOINT",
        ),
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Run --reference under torch.compile, too, in FP32 and BF16.")
    ] = False,
    reference_crops: Annotated[
        str | None, typer.Option("--reference-crops", help="Its crop plan; the first bundle's by default.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", help="Architecture, where --reference is a bare weights file.")
    ] = None,
    split: SplitOption = "test",
    format: FormatOption = None,
    uncertain: UncertainOption = "ignore",
    findings: FindingsOption = "competition",
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="So many images, evenly spread; all by default.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Threads of every engine; its own choice by default."),
    ] = None,
    allow_gate_images: AllowOption = False,
    resamples: Annotated[int, typer.Option("--resamples", min=2, help="Bootstrap replicates.")] = 2000,
    seed: SeedOption = 0,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a self-contained report.", metavar="FILE.html")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the latency-AUC plot alone.", metavar="FILE.svg")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html and FILE.svg.")] = False,
    json_target: JsonOption = None,
) -> None:
    """Compare speed and accuracy of bundles, in one run, against PyTorch or the first bundle.

    A bundle with a model.onnx is run by ONNX Runtime, too, where that is installed.
    """
    outputs = [path for path in (report, plot) if path is not None]
    for path in outputs:
        check_free(path, force=force)
    if outputs:
        need("matplotlib", extra="report")
    from ..datasets import open_source
    from ..runtime.errors import UsageError
    from .comparison import BenchSettings
    from .comparison import compare as compare_bundles
    from .summary import describe
    from .variants import Reference

    if reference is None and (peers or arch or reference_crops):
        raise UsageError(
            "--peers, --arch and --reference-crops say how to run a checkpoint; add --reference CHECKPOINT"
        )
    checkpoint = None
    if reference is not None:
        checkpoint = Reference(
            path=str(reference),
            loader=reference_loader,
            architecture=arch,
            crops=reference_crops,
            peers=peers,
        )
    comparison = compare_bundles(
        bundles,
        open_source(data, format, uncertain=uncertain, findings=findings),
        reference=checkpoint,
        settings=BenchSettings(
            split=split,
            images=images,
            threads=threads,
            resamples=resamples,
            seed=seed,
            allow_gate_images=allow_gate_images,
        ),
    )
    if report is not None:
        from .report import render

        write_file(report, render(comparison), force=force)
    if plot is not None:
        from .plots import latency_auc, to_svg

        write_file(plot, to_svg(latency_auc(comparison)), force=force)
    show(describe(comparison), comparison.to_json(), json_target)
