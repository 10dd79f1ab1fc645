"""Settings of export, quantization and the gate; the fields that the command line sets are options."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ..runtime.errors import UsageError
from ..runtime.images.crops import CROP_PLANS

INTENDED_USE = "Research and development. Not a medical device; not for diagnosis."
SAMPLINGS = ("stratified", "random", "farthest")
PRESETS = ("mixed", "performance")
ACTIVATION_RANGES = ("minmax", "mean", "histogram")
OVERFLOW_FIXES = ("all", "first", "none")
BIAS_CORRECTIONS = ("none", "fast", "accurate")

MaxClassAucDrop = Annotated[
    float | None,
    typer.Option(help="Largest drop in the AUC of any single finding; not gated if not given."),
]


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Settings of an export."""

    crops: Annotated[str, typer.Option(help="Crop plan: center, five, ten, five-shared or ten-shared.")] = (
        "ten"
    )
    name: Annotated[str | None, typer.Option(help="The bundle's name; its folder's by default.")] = None
    intended_use: Annotated[
        str,
        typer.Option(help="What the bundle is for, and what not.", metavar="TEXT", show_default=False),
    ] = INTENDED_USE
    alignment_size: Annotated[
        int, typer.Option(min=0, help="Training images that align the head of a shared plan.")
    ] = 300
    """0 leaves the head as it was trained."""
    parity_images: int = 16
    """Most images that the graph is compared with PyTorch on."""

    def __post_init__(self) -> None:
        if self.crops not in CROP_PLANS:
            raise UsageError(f"crops must be one of {', '.join(CROP_PLANS)}, got {self.crops!r}")
        if self.alignment_size < 0:
            raise UsageError(f"the head is aligned on 0 images or more, got {self.alignment_size}")
        if self.parity_images < 1:
            raise UsageError(f"parity is measured on 1 image or more, got {self.parity_images}")


@dataclass(frozen=True, kw_only=True)
class QuantizeSettings:
    """Settings of quantizing."""

    calibration_size: Annotated[int, typer.Option(min=1, help="Calibration images, of the train split.")] = (
        300
    )
    sampling: Annotated[
        str,
        typer.Option(
            help="How calibration images are drawn: stratified over findings, random, or farthest points of "
            "activations."
        ),
    ] = "stratified"
    crops_per_image: int = 1
    """Crops each calibration image contributes; the windows of the crop plan are taken in turn."""
    preset: Annotated[str, typer.Option(help="performance (symmetric ranges) or mixed (a zero point).")] = (
        "performance"
    )
    """performance: ranges lie symmetrically around zero; mixed: activations that no ReLU cut off get a
    zero point, which is finer where they lean to one side."""
    activation_range: Annotated[str, typer.Option(help="minmax, mean or histogram.")] = "minmax"
    """From the values seen to the range of 8 bits: minmax spans the extremes of all images, mean the mean of
    each image's extremes (NNCF's default, which clips every second image), histogram the range with the
    least squared error."""
    bias_correction: Annotated[str, typer.Option(help="none, fast or accurate.")] = "fast"
    """What rounded weights shift is taken back in the biases: fast, layer by layer from the means that enter
    each; accurate, from the quantized layers before as well, on a fifth of the images; none."""
    smooth: Annotated[
        float | None,
        typer.Option(help="Even out channels first: SmoothQuant's alpha, 0..1.", metavar="ALPHA"),
    ] = None
    """SmoothQuant's alpha, folded into the layers before (docs/calibration.md); None leaves the channels as
    they are."""
    overflow_fix: Annotated[
        str,
        typer.Option(help="Layers with 7-bit weights: all, first, or none where every device has VNNI."),
    ] = "all"
    """Without VNNI, sums of two 8-bit products overflow 16 bits and are clipped; a bundle does not know the
    CPU it will meet (docs/decisions/0021)."""
    keep_floating_point: Annotated[
        tuple[str, ...],
        typer.Option(
            "--keep-float", help="A layer to leave in floating point (repeatable).", metavar="LAYER"
        ),
    ] = ()
    """By their names in the network (`features.conv0`)."""
    seed: Annotated[int, typer.Option(min=0, help="Draws the calibration images.")] = 0

    def __post_init__(self) -> None:
        if self.calibration_size < 1 or self.crops_per_image < 1:
            raise UsageError(
                "calibration needs at least 1 image and 1 crop of each, got "
                f"{self.calibration_size} and {self.crops_per_image}"
            )
        choices = {
            "sampling": SAMPLINGS,
            "preset": PRESETS,
            "activation_range": ACTIVATION_RANGES,
            "overflow_fix": OVERFLOW_FIXES,
            "bias_correction": BIAS_CORRECTIONS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.smooth is not None and not 0 <= self.smooth <= 1:
            raise UsageError(f"smooth must be in 0..1, got {self.smooth}")

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "keep_floating_point": list(self.keep_floating_point)}


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """Settings of the gate."""

    max_auc_drop: Annotated[
        float, typer.Option(help="Largest drop in mean AUC, by its 95 % upper bound.")
    ] = 0.01
    """Negative: the candidate has to be better."""
    max_class_auc_drop: MaxClassAucDrop = None
    split: Annotated[str, typer.Option(help="The split that gates.")] = "val"
    resamples: int = 2000
    """Bootstrap replicates."""
    seed: int = 0
    """Of the bootstrap."""
    heatmap_images: Annotated[
        int, typer.Option(min=0, help="Images of --split whose heatmaps are compared.")
    ] = 64
    """Images with a finding, at most; heatmaps are reported and not gated. 0 compares none."""

    def __post_init__(self) -> None:
        if not -1 <= self.max_auc_drop <= 1:
            raise UsageError(f"the allowed drop in AUC must be in -1..1, got {self.max_auc_drop}")
        if self.max_class_auc_drop is not None and not 0 < self.max_class_auc_drop <= 1:
            raise UsageError(
                f"the allowed drop in a finding's AUC must be in (0, 1], got {self.max_class_auc_drop}"
            )
        if self.resamples < 100:
            raise UsageError(f"the gate needs at least 100 resamples, got {self.resamples}")
        if self.heatmap_images < 0:
            raise UsageError(f"heatmaps of 0 images or more can be compared, got {self.heatmap_images}")
