"""Settings of score and bench; the fields that the command line sets are options."""

from dataclasses import dataclass
from typing import Annotated

import typer

Split = Annotated[str, typer.Option("--split", help="Part of the data.")]
AllowGateImages = Annotated[
    bool,
    typer.Option(
        "--allow-gate-images",
        help="Also score images that calibrated or gated a bundle; the output notes it.",
    ),
]
Resamples = Annotated[int, typer.Option(min=2, help="Bootstrap replicates.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Settings of scoring."""

    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Positive at and above this probability.")
    ] = 0.5
    resamples: Resamples = 1000
    """Behind each interval."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be in 0..1, got {self.threshold}.")
        if self.resamples < 2:
            raise ValueError(f"resamples must be at least 2, got {self.resamples}.")


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """Settings of a benchmark."""

    split: Split = "test"
    images: Annotated[
        int | None, typer.Option(min=1, help="Measure this many images, evenly spread; all by default.")
    ] = None
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of every engine; its own choice by default.")
    ] = None
    file_rounds: int = 6
    """How often each variant works through image files, for files a second."""
    allow_gate_images: AllowGateImages = False
    resamples: Resamples = 2000
    """Behind each interval."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.images is not None and self.images < 1:
            raise ValueError(f"images must be at least 1, got {self.images}.")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}.")
        if self.file_rounds < 1:
            raise ValueError(f"file_rounds must be at least 1, got {self.file_rounds}.")
        if self.resamples < 2:
            raise ValueError(f"resamples must be at least 2, got {self.resamples}.")
