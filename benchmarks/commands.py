"""score and bench: what predictions are worth, and what each variant gains and loses."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..datasets.command_options import DataOption, DataOptions
from ..runtime.console import JsonOption, ReportOption, note, show
from ..runtime.errors import UsageError
from ..runtime.files import check_free, write_file
from ..runtime.options import split_words, with_options
from ..runtime.requires import need
from .settings import AllowGateImages, BenchSettings, ScoreSettings, Split

if TYPE_CHECKING:
    from ..datasets import Dataset, records
    from .variants import Reference

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class ReferenceOptions:
    """The checkpoint that bundles are compared with, and how it runs."""

    reference: Annotated[
        Path | None,
        typer.Option(
            help="Run this checkpoint in PyTorch as the reference; the first bundle is by default.",
            metavar="CHECKPOINT",
        ),
    ] = None
    peers: Annotated[
        bool, typer.Option("--peers", help="Run --reference under torch.compile, too, in FP32 and BF16.")
    ] = False
    reference_crops: Annotated[
        str | None, typer.Option(help="Its crop plan; the first bundle's by default.")
    ] = None
    arch: Annotated[
        str | None, typer.Option(help="Architecture, where --reference is a bare weights file.")
    ] = None

    def checkpoint(self) -> "Reference | None":
        """The reference; None where the first bundle is.

        Raises:
            UsageError: there are options for a checkpoint, and no checkpoint.
        """
        from .variants import Reference

        if self.reference is not None:
            return Reference(
                path=str(self.reference),
                architecture=self.arch,
                crops=self.reference_crops,
                peers=self.peers,
            )
        if self.peers or self.arch or self.reference_crops:
            raise UsageError(
                "--peers, --arch and --reference-crops say how to run a checkpoint; "
                "add --reference CHECKPOINT"
            )
        return None


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The bundle that made predictions, where its images' roles are to be checked."""

    bundle: Annotated[
        Path | None,
        typer.Option(
            help="What made PREDICTIONS.csv: images that calibrated or gated it are refused.",
            metavar="BUNDLE",
        ),
    ] = None
    allow_gate_images: AllowGateImages = False

    def check(self, dataset: "Dataset", split: "records.Split") -> tuple[str, ...]:
        """Notes for a reader on the images' roles; none without a bundle.

        Raises:
            DataError: images of the split calibrated or gated the bundle.
        """
        from ..datasets.roles import Scored, check_roles
        from ..runtime.bundle.bundle import Bundle

        if self.bundle is None:
            return ()
        opened = Bundle.open(self.bundle)
        scored = Scored(split=split, preprocessing=opened.manifest.preprocessing)
        return check_roles([opened], dataset, scored, allow_gate_images=self.allow_gate_images)


@app.command()
@with_options
def score(
    *,
    predictions: Annotated[
        Path,
        typer.Argument(help="CSV: image names and one probability per class.", metavar="PREDICTIONS.csv"),
    ],
    data: DataOption,
    split: Split = "test",
    reading: DataOptions,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            help="Predictions to take as the reference: drop = AUC of these minus AUC of PREDICTIONS.csv.",
            metavar="REFERENCE.csv",
        ),
    ] = None,
    ignore_columns: Annotated[
        str,
        typer.Option(help="Leave out these columns, which are no class of the data.", metavar="A,B"),
    ] = "",
    source: SourceOptions,
    settings: ScoreSettings,
    json_target: JsonOption = None,
) -> None:
    """Score anybody's predictions: every metric, with intervals over patients.

    Only the labels of --data are needed, its images may be absent.
    """
    from .prediction_columns import check_ignored
    from .predictions import align, read_predictions
    from .scoring import describe
    from .scoring import score as score_predictions

    dataset = reading.open(data)
    part = dataset.split(split)
    notes = source.check(dataset, part)
    paths = [predictions] if compare is None else [predictions, compare]
    ignore = split_words(ignore_columns)
    check_ignored(ignore, paths)
    files = [read_predictions(path, dataset.classes, ignore=ignore) for path in paths]
    ours, *others = (align(file, dataset, part) for file in files)
    if ours.left_out:
        counts = ", ".join(f"{count} of {name}" for name, count in ours.left_out.items())
        note(f"left out, since only split {split} is scored: {counts}")
    scores = score_predictions(
        part,
        dataset.classes,
        ours.probabilities_NC,
        settings=settings,
        reference_NC=others[0].probabilities_NC if others else None,
        reference="reference" if compare is None else compare.name,
        notes=(*notes, *(text for file in files for text in file.columns.notes(file.source))),
    )
    facts = scores.to_json() | files[0].columns.to_json()
    if compare is not None:
        facts["compare"] |= files[1].columns.to_json()
    show(describe(scores), facts, json_target)


@app.command()
@with_options
def bench(
    *,
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to compare.", metavar="BUNDLE...")],
    data: DataOption,
    reference: ReferenceOptions,
    settings: BenchSettings,
    reading: DataOptions,
    report: ReportOption = None,
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
    from .comparison import compare as compare_bundles
    from .terminal import describe

    checkpoint = reference.checkpoint()
    comparison = compare_bundles(bundles, reading.open(data), reference=checkpoint, settings=settings)
    if report is not None:
        from .report import render

        write_file(report, render(comparison), force=force)
    if plot is not None:
        from ..report.plots import to_svg
        from .plots import latency_auc

        write_file(plot, to_svg(latency_auc(comparison)), force=force)
    show(describe(comparison), comparison.to_json(), json_target)
