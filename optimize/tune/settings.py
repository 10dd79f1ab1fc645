"""The settings of a tuning: its objective, the variants it tries, and how it measures."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.errors import UsageError
from ...runtime.images.crops import CROP_PLANS
from ..settings import MaxClassAucDrop

if TYPE_CHECKING:
    from .selection import Objective

DEFAULT_DROP = 0.01
"""Allowed where neither a drop nor a latency is asked for."""
ENGINES = ("openvino", "onnxruntime")
PRESETS = ("performance", "mixed")


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """The objective of a tuning, the variants it tries, and how it measures."""

    max_auc_drop: Annotated[
        float | None,
        typer.Option(
            help="Largest drop in mean AUC, by its 95 % upper bound; "
            f"{DEFAULT_DROP} without --max-latency-ms."
        ),
    ] = None
    max_class_auc_drop: MaxClassAucDrop = None
    max_latency_ms: Annotated[
        float | None,
        typer.Option(help="90th-percentile latency limit in ms; the most accurate variant within it wins."),
    ] = None
    gate_split: Annotated[str, typer.Option(help="The split that selects the variant.")] = "val"
    report_split: Annotated[
        str, typer.Option(help="The split that the chosen variant is evaluated on, once.")
    ] = "test"
    crops: tuple[str, ...] = CROP_PLANS
    """Crop plans to try."""
    engines: tuple[str, ...] = ENGINES
    """Engines to try."""
    presets: tuple[str, ...] = PRESETS
    """NNCF's presets to try; none leaves INT8 out."""
    layers_back: tuple[int, ...] = (2, 4, 8, 16)
    """How many layers to return to floating point, in turn, where INT8 alone misses the gate."""
    threads: tuple[int | None, ...] = (None,)
    """Threads of the engines to try; None leaves the number to each."""
    streams: tuple[int | None, ...] = (None,)
    """Images at once to try, one thread each, for files a second; None: as many as there are threads."""
    rounds: Annotated[int, typer.Option(min=8, help="Images that finalists are measured on.")] = 30
    calibration_size: Annotated[int, typer.Option(min=1, help="Training images that calibrate INT8.")] = 150
    alignment_size: Annotated[
        int, typer.Option(min=0, help="Training images that align the head of a shared plan.")
    ] = 100
    heatmaps: Annotated[int, typer.Option(min=0, help="Images on which heatmaps are compared.")] = 12
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Also measure the AUC of variants that can no longer be chosen."),
    ] = False
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap replicates.")] = 2000
    """Behind each interval."""
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap and of calibration.")] = 0

    def __post_init__(self) -> None:
        known = {"crops": CROP_PLANS, "engines": ENGINES, "presets": PRESETS}
        for name, choices in known.items():
            values = getattr(self, name)
            if len(set(values)) != len(values) or any(value not in choices for value in values):
                raise UsageError(f"{name} must be some of {', '.join(choices)}, each once, got {values}")
        if not self.crops or not self.engines or not self.threads:
            raise UsageError("a tuning needs at least one crop plan, one engine and one number of threads")
        if not self.streams or any(count is not None and count < 1 for count in self.streams):
            raise UsageError(f"streams must be at least 1, got {self.streams}")
        if len(set(self.streams)) != len(self.streams):
            raise UsageError(f"streams must be named once each, got {self.streams}")
        if self.gate_split == self.report_split:
            raise UsageError(
                f"the choice is made on the gate split and held against the report split, both are "
                f"{self.gate_split!r}; name two"
            )
        if any(count is not None and count < 1 for count in self.threads):
            raise UsageError(f"threads must be at least 1, got {self.threads}")
        if any(count < 1 for count in self.layers_back) or list(self.layers_back) != sorted(self.layers_back):
            raise UsageError(f"numbers of layers must be 1 or more and rising, got {self.layers_back}")
        for name, least in (("rounds", 8), ("calibration_size", 1), ("resamples", 100), ("heatmaps", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        self.objective  # noqa: B018 - checks the margins

    @property
    def objective(self) -> "Objective":
        """The objective that follows from the limits given."""
        from .selection import Objective

        drop = self.max_auc_drop
        if drop is None and self.max_latency_ms is None:
            drop = DEFAULT_DROP
        return Objective(
            kind="fastest" if self.max_latency_ms is None else "best-auc",
            max_auc_drop=drop,
            max_class_auc_drop=self.max_class_auc_drop,
            max_latency_ms=self.max_latency_ms,
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
