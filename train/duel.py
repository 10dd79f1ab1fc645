"""A recipe against the plain reference loop over equal time: which answers the validation split better.

    python -m xopt.train.duel nih-mini --recipe chexnet-fast --minutes 10

Both train from random weights for the same time on the CPU, one after the other, in one process with as many
threads as torch takes (OMP_NUM_THREADS=1 for one); then both answer the centre crops of the validation split.
The recipe's network is the one that it keeps of the epochs that ended in time, so that reading its images
and validating count as well; the reference's is its last. With `--clock cpu` time is what the process
computed: other work on the machine takes nothing from either. A schedule that has to end in time gets its
epochs with `--set epochs=9`.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..benchmarks.bootstrap import PairedDrop, paired_auc_drop
from ..benchmarks.metrics import mean_auc
from ..datasets import Dataset, open_source
from ..runtime.console import table
from ..runtime.errors import UsageError
from ..runtime.requires import need
from . import reference_loop
from .checkpoints import load_checkpoint, save_checkpoint
from .loop import train
from .recipe import Recipe, load_recipe
from .results import Epoch
from .teachers import ask_checkpoint

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, kw_only=True)
class Duellist:
    """What one way of training came to in its time."""

    name: str
    crops: int
    """That went forward and backward."""
    seconds: float
    """Of the duel's clock; those of epochs that ended in time, for a recipe."""
    auc: float | None
    """Mean over the classes with both labels in val; None where there is none."""

    @property
    def crops_per_second(self) -> float:
        """Of its own sizes, with reading and validating."""
        return self.crops / self.seconds

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "name": self.name,
            "crops": self.crops,
            "seconds": self.seconds,
            "crops_per_second": self.crops_per_second,
            "val_auc": self.auc,
        }

    def to_row(self) -> list[str]:
        """As a row of a table."""
        auc = "-" if self.auc is None else f"{self.auc:.4f}"
        return [self.name, f"{self.seconds:.0f}", str(self.crops), f"{self.crops_per_second:.2f}", auc]


@dataclass(frozen=True, kw_only=True)
class Duel:
    """Both, and how far they are apart."""

    reference: Duellist
    recipe: Duellist
    drop: PairedDrop
    """Of the mean AUC from the reference to the recipe; below 0 the recipe is ahead."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "reference": self.reference.to_json(),
            "recipe": self.recipe.to_json(),
            "ahead": -self.drop.drop,
            "ahead_ci": [-self.drop.upper, -self.drop.lower],
            "p_value": self.drop.p_value,
            "images": self.drop.images,
        }

    def to_text(self) -> str:
        """As a table and a sentence."""
        rows = [self.reference.to_row(), self.recipe.to_row()]
        drop = self.drop
        return (
            f"{table(['', 'seconds', 'crops', 'crops/s', 'val AUC'], rows)}\n\n"
            f"ahead by {-drop.drop:.4f} (95 % {-drop.upper:.4f} .. {-drop.lower:.4f}), paired over "
            f"{drop.patients} patients, {drop.images} images"
        )


class _OverError(Exception):
    """The time is up."""


def duel(dataset: Dataset, recipe: Recipe, *, seconds: float, clock: str = "wall") -> Duel:
    """Train both ways for the same time on the CPU, and compare them on the split val.

    Args:
        dataset: has the splits train and val.
        recipe: goes on until its time is up or its epochs are done.
        seconds: of each, above 0.
        clock: one of CLOCKS.

    Raises:
        UsageError: not one epoch of the recipe ended in time.
        DataError, InputError: as `train`; no class of val has both labels.
    """
    need("torch", "torchvision", extra="train")
    val = dataset.split("val")
    labels_NC = val.marked_labels
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / name for name in ("reference", "recipe")]
        plain = _train_reference(dataset, seconds, CLOCKS[clock], runs[0])
        ours = _train_recipe(dataset, recipe, seconds, CLOCKS[clock], runs[1])
        first_NC, second_NC = (ask_checkpoint(load_checkpoint(run), val).astype(np.float64) for run in runs)
    names = ("reference loop", f"{recipe.architecture}, {recipe.precision}")
    both = [
        Duellist(name=name, crops=crops, seconds=spent, auc=mean_auc(labels_NC, scores_NC))
        for name, (crops, spent), scores_NC in zip(names, (plain, ours), (first_NC, second_NC), strict=True)
    ]
    drop = paired_auc_drop(labels_NC, first_NC, second_NC, val.patients)
    return Duel(reference=both[0], recipe=both[1], drop=drop)


def _train_reference(
    dataset: Dataset, seconds: float, clock: Callable[[], float], run: Path
) -> tuple[int, float]:
    """Train the reference loop until the time is up; its crops and seconds."""
    import torch

    started, steps = clock(), 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loop = reference_loop.ReferenceLoop(dataset.split("train"), len(dataset.classes))
        while clock() - started < seconds:
            loop.step()
            steps += 1
    spent = clock() - started
    loop.close()
    run.mkdir()
    save_checkpoint(
        run,
        loop.network.eval(),
        architecture=reference_loop.ARCHITECTURE,
        classes=dataset.classes,
        preprocessing=reference_loop.PREPROCESSING,
    )
    return steps * reference_loop.BATCH * reference_loop.CROPS, spent


def _train_recipe(
    dataset: Dataset, recipe: Recipe, seconds: float, clock: Callable[[], float], run: Path
) -> tuple[int, float]:
    """Train a recipe until the time is up; crops and seconds of the epochs that ended in time."""
    started, spent, crops = clock(), 0.0, 0
    an_image = 1 if recipe.ten_crop == "none" else reference_loop.CROPS

    def report(epoch: Epoch) -> None:
        nonlocal spent, crops
        # The run folder keeps an epoch after it was reported: one that ends too late is not in it.
        if clock() - started > seconds:
            raise _OverError
        spent = clock() - started
        crops += min(len(dataset.split("train")), epoch.steps * recipe.batch_size) * an_image

    try:
        train(dataset, recipe, run=run, report=report, device="cpu")
    except _OverError:
        if not crops:
            raise UsageError(
                f"no epoch of the recipe ended within {seconds:g} s; give it more time, or a smaller size"
            ) from None
    return crops, spent


def main(
    data: Annotated[Path, typer.Argument(help="Labelled images with train and val.", metavar="SOURCE")],
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a TOML file.")] = "chexnet-fast",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the recipe.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Of each.")] = 10.0,
    clock: Annotated[str, typer.Option(help="wall, or cpu: what the process computes.")] = "wall",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Train both and print."""
    if clock not in CLOCKS:
        raise typer.BadParameter(f"--clock is {' or '.join(CLOCKS)}, got {clock!r}")
    chosen = load_recipe(recipe, settings or ())
    found = duel(open_source(data), chosen, seconds=60 * minutes, clock=clock)
    print(json.dumps(found.to_json(), indent=2) if as_json else found.to_text())


if __name__ == "__main__":
    typer.run(main)
