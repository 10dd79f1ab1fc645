"""export, quantize, demo: from a checkpoint to bundles, and the whole way at once."""

from pathlib import Path
from typing import Annotated

import typer

from ..datasets.command_options import DataOption, DataOptions, FormatOption
from ..runtime.console import ForceOption, JsonOption, note, show
from ..runtime.errors import UsageError
from ..runtime.options import with_options
from .command_options import OutOption, WeightsOptions
from .libraries import need_export, need_quantize
from .settings import ExportSettings, GateSettings, QuantizeSettings
from .tune.commands import app as tuning

app = typer.Typer()
app.add_typer(tuning)


@app.command()
@with_options
def export(
    *,
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a checkpoint's .json, or a .safetensors/.pth/.pth.tar/.pt file.",
            metavar="CHECKPOINT_OR_RUN",
        ),
    ],
    out: OutOption,
    settings: ExportSettings,
    weights: WeightsOptions,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Measure parity on these images, and align the head of a shared plan on their train split; "
            "phantoms and no alignment by default.",
            metavar="SOURCE",
        ),
    ] = None,
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Export a checkpoint to an FP32 bundle (ONNX and OpenVINO), and prove that it answers like PyTorch."""
    from ..models.checkpoint import load_checkpoint
    from ..runtime.files import check_free
    from .export.export import export_checkpoint
    from .terminal import describe_export, export_facts

    # Before the checkpoint is read, which would name the extra for training.
    need_export()
    check_free(out, force=force)
    dataset = reading.open(data) if data is not None else None
    loaded = load_checkpoint(checkpoint, architecture=weights.arch, classes=weights.class_names())
    made = export_checkpoint(loaded, out, settings=settings, dataset=dataset, force=force)
    show(describe_export(made), export_facts(made), json_target)


@app.command()
@with_options
def quantize(
    *,
    bundle: Annotated[Path, typer.Argument(help="The FP32 bundle.", metavar="BUNDLE")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Labelled images: train calibrates, --split gates.", metavar="SOURCE"),
    ],
    out: OutOption,
    gate: GateSettings,
    settings: QuantizeSettings,
    accuracy_aware: Annotated[
        bool,
        typer.Option("--accuracy-aware", help="Rank the layers also where plain INT8 passes the gate."),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Never return layers to floating point. By default those that harm INT8 most do, where it "
            "misses the gate.",
        ),
    ] = False,
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Quantize an FP32 bundle to INT8; it is written only if it passes the gate on its drop in AUC.

    Exit code 3 if it does not pass: the candidate is kept as OUT.rejected, with the reason.
    """
    from ..runtime.bundle.bundle import Bundle
    from .quantize.int8 import RejectedError, quantize_bundle
    from .quantize.mixed_precision import AwareSettings
    from .terminal import describe_quantized, quantized_facts

    need_quantize()
    if accuracy_aware and plain:
        raise UsageError("--accuracy-aware ranks layers and --plain never does; give one of them")
    aware = AwareSettings(mode="always" if accuracy_aware else "never" if plain else "auto")
    parent = Bundle.open(bundle)
    try:
        dataset = reading.open(data)
        made = quantize_bundle(parent, dataset, out, settings=settings, gate=gate, aware=aware, force=force)
    except RejectedError as rejected:
        if json_target is not None:
            show(str(rejected), quantized_facts(rejected.result, parent), json_target)
        raise
    show(describe_quantized(made, parent), quantized_facts(made, parent), json_target)


@app.command()
@with_options
def thresholds(
    *,
    bundle: Annotated[Path, typer.Argument(help="Any bundle, FP32 or INT8.", metavar="BUNDLE")],
    data: DataOption,
    out: OutOption,
    rule: Annotated[str, typer.Option("--rule", help="youden, sensitivity or specificity.")] = "youden",
    target: Annotated[float, typer.Option("--target", help="The sensitivity or specificity wanted.")] = 0.9,
    temperature: Annotated[
        bool, typer.Option("--temperature", help="Also fit a temperature, and put it into the graph.")
    ] = False,
    split: Annotated[str, typer.Option("--split", help="The split whose labels decide.")] = "val",
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Choose from which probability on a class counts as found, and keep it in a new bundle.

    youden makes sensitivity + specificity largest; the others reach the target with as much of the other as
    there is. No AUC changes.
    """
    from ..datasets.roles import without_pixels
    from ..runtime.bundle.bundle import Bundle
    from .gate.thresholds import ThresholdSettings, describe, set_thresholds

    settings = ThresholdSettings(rule=rule, target=target, temperature=temperature, split=split)  # type: ignore[arg-type]
    made = set_thresholds(Bundle.open(bundle), reading.open(data), out, settings=settings, force=force)
    facts = {"bundle": str(made.bundle.path), "digest": made.bundle.digest, **without_pixels(made.facts)}
    show(describe(made), facts, json_target)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="DIR")] = Path("demo"),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Labelled images in place of phantoms: train, val, test.", metavar="SOURCE"
        ),
    ] = None,
    format: FormatOption = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Run the whole pipeline in minutes: data, training, export, INT8, predictions, benchmark, report."""
    from .demo import DemoSettings, demonstrate, describe

    settings = DemoSettings(source=data, format=format)
    made = demonstrate(out, settings=settings, say=note, force=force)
    show(describe(made), made.to_json(), json_target)
