"""export, quantize, demo: from a checkpoint to bundles, and the whole way at once."""

from pathlib import Path
from typing import Annotated

import typer

from ..datasets.command_options import FindingsOption, UncertainOption
from ..runtime.console import ForceOption, JsonOption, note, show
from ..runtime.errors import UsageError
from .libraries import need_export, need_quantize
from .tune.commands import app as tuning

app = typer.Typer()
app.add_typer(tuning)

reference_loader = ""
"""Where the demo's PyTorch reference is loaded, "module:function". Set by the command line."""

OutOption = Annotated[Path, typer.Option("--out", help="The bundle's folder.", metavar="BUNDLE")]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="The data's format, where it is not recognised by itself.")
]


@app.command()
def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a checkpoint's .json, or a .safetensors/.pth/.pth.tar/.pt file.",
            metavar="CHECKPOINT_OR_RUN",
        ),
    ],
    out: OutOption,
    crops: Annotated[
        str, typer.Option("--crops", help="Crop plan: center, five, ten, five-shared or ten-shared.")
    ] = "ten",
    arch: Annotated[
        str | None, typer.Option("--arch", help="For a bare weights file: its architecture.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            help="For a bare weights file: a file with one class name a line, or nih14.",
            metavar="FILE",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Measure parity on these images, and align the head of a shared plan on their train split; "
            "phantoms and no alignment by default.",
            metavar="SOURCE",
        ),
    ] = None,
    alignment_size: Annotated[
        int,
        typer.Option("--alignment-size", min=0, help="Training images that align the head of a shared plan."),
    ] = 300,
    format: FormatOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The bundle's name; its folder's by default.")
    ] = None,
    intended_use: Annotated[
        str | None,
        typer.Option("--intended-use", help="What the bundle is for, and what not.", metavar="TEXT"),
    ] = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Export a checkpoint to an FP32 bundle (ONNX and OpenVINO), and prove that it answers like PyTorch."""
    from ..datasets import open_source
    from ..models.checkpoint import load_checkpoint, read_classes
    from ..runtime.files import check_free
    from .export.export import INTENDED_USE, ExportSettings, export_checkpoint
    from .summary import describe_export, export_facts

    # Before the checkpoint is read, which would name the extra for training.
    need_export()
    settings = ExportSettings(
        crops=crops,
        name=name,
        intended_use=intended_use or INTENDED_USE,
        alignment_size=alignment_size,
    )
    check_free(out, force=force)
    dataset = open_source(data, format) if data is not None else None
    loaded = load_checkpoint(
        checkpoint, architecture=arch, classes=read_classes(classes) if classes is not None else None
    )
    made = export_checkpoint(loaded, out, settings=settings, dataset=dataset, force=force)
    show(describe_export(made), export_facts(made), json_target)


@app.command()
def quantize(
    bundle: Annotated[Path, typer.Argument(help="The FP32 bundle.", metavar="BUNDLE")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Labelled images: train calibrates, --split gates.", metavar="SOURCE"),
    ],
    out: OutOption,
    max_auc_drop: Annotated[
        float, typer.Option("--max-auc-drop", help="Largest drop in mean AUC, by its 95 % upper bound.")
    ] = 0.01,
    max_class_auc_drop: Annotated[
        float | None,
        typer.Option(
            "--max-class-auc-drop",
            help="Largest drop in the AUC of any single finding; not gated if not given.",
        ),
    ] = None,
    calibration_size: Annotated[
        int, typer.Option("--calibration-size", min=1, help="Calibration images, of the train split.")
    ] = 300,
    sampling: Annotated[
        str,
        typer.Option(
            "--sampling",
            help="How they are drawn: stratified over findings, random, or farthest points of activations.",
        ),
    ] = "stratified",
    split: Annotated[str, typer.Option("--split", help="The split that gates.")] = "val",
    preset: Annotated[
        str, typer.Option("--preset", help="performance (symmetric ranges) or mixed (a zero point).")
    ] = "performance",
    activation_range: Annotated[
        str, typer.Option("--activation-range", help="minmax, mean or histogram.")
    ] = "minmax",
    bias_correction: Annotated[
        str, typer.Option("--bias-correction", help="none, fast or accurate.")
    ] = "fast",
    smooth: Annotated[
        float | None,
        typer.Option("--smooth", help="Even out channels first: SmoothQuant's alpha, 0..1.", metavar="ALPHA"),
    ] = None,
    overflow_fix: Annotated[
        str,
        typer.Option(
            "--overflow-fix",
            help="Layers with 7-bit weights: all, first, or none where every device has VNNI.",
        ),
    ] = "all",
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            "--keep-float", help="A layer to leave in floating point (repeatable).", metavar="LAYER"
        ),
    ] = None,
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
    heatmap_images: Annotated[
        int,
        typer.Option("--heatmap-images", min=0, help="Images of --split whose heatmaps are compared."),
    ] = 64,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the calibration images.")] = 0,
    format: FormatOption = None,
    uncertain: UncertainOption = "ignore",
    findings: FindingsOption = "competition",
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Quantize an FP32 bundle to INT8; it is written only if it passes the gate on its drop in AUC.

    Exit code 3 if it does not pass: the candidate is kept as OUT.rejected, with the reason.
    """
    from ..datasets import open_source
    from ..runtime.bundle.folder import Bundle
    from .gate.gate import GateSettings
    from .quantize.int8 import RejectedError, quantize_bundle
    from .quantize.mixed_precision import AwareSettings
    from .quantize.nncf_ptq import QuantizeSettings
    from .summary import describe_quantized, quantized_facts

    need_quantize()
    settings = QuantizeSettings(
        calibration_size=calibration_size,
        sampling=sampling,
        preset=preset,
        activation_range=activation_range,
        bias_correction=bias_correction,
        smooth=smooth,
        overflow_fix=overflow_fix,
        keep_floating_point=tuple(keep_float or ()),
        seed=seed,
    )
    gate = GateSettings(
        max_auc_drop=max_auc_drop,
        max_class_auc_drop=max_class_auc_drop,
        split=split,
        heatmap_images=heatmap_images,
    )
    if accuracy_aware and plain:
        raise UsageError("--accuracy-aware ranks layers and --plain never does; give one of them")
    aware = AwareSettings(mode="always" if accuracy_aware else "never" if plain else "auto")
    parent = Bundle.open(bundle)
    try:
        dataset = open_source(data, format, uncertain=uncertain, findings=findings)
        made = quantize_bundle(parent, dataset, out, settings=settings, gate=gate, aware=aware, force=force)
    except RejectedError as rejected:
        if json_target is not None:
            show(str(rejected), quantized_facts(rejected.result, parent), json_target)
        raise
    show(describe_quantized(made, parent), quantized_facts(made, parent), json_target)


@app.command()
def thresholds(
    bundle: Annotated[Path, typer.Argument(help="Any bundle, FP32 or INT8.", metavar="BUNDLE")],
    data: Annotated[Path, typer.Option("--data", help="Labelled images.", metavar="SOURCE")],
    out: OutOption,
    rule: Annotated[str, typer.Option("--rule", help="youden, sensitivity or specificity.")] = "youden",
    target: Annotated[float, typer.Option("--target", help="The sensitivity or specificity wanted.")] = 0.9,
    temperature: Annotated[
        bool, typer.Option("--temperature", help="Also fit a temperature, and put it into the graph.")
    ] = False,
    split: Annotated[str, typer.Option("--split", help="The split whose labels decide.")] = "val",
    format: FormatOption = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Choose from which probability on a class counts as found, and keep it in a new bundle.

    youden makes sensitivity + specificity largest; the others reach the target with as much of the other as
    there is. No AUC changes.
    """
    from ..datasets import open_source
    from ..datasets.roles import without_pixels
    from ..runtime.bundle.folder import Bundle
    from .gate.thresholds import ThresholdSettings, describe, set_thresholds

    settings = ThresholdSettings(rule=rule, target=target, temperature=temperature, split=split)  # type: ignore[arg-type]
    made = set_thresholds(Bundle.open(bundle), open_source(data, format), out, settings=settings, force=force)
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
    made = demonstrate(out, settings=settings, say=note, reference_loader=reference_loader, force=force)
    show(describe(made), made.to_json(), json_target)
