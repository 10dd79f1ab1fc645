"""Comparison of runs: time, accuracy and AUC of each, and its speed-up against the first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.console import table
from ..runtime.errors import CheckpointError, UsageError
from .recipe import Recipe, load_recipe
from .results import Epoch, kept_epoch, read_history
from .run_folder import HISTORY, RECIPE, RUN


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its folder tells it."""

    name: str
    recipe: Recipe
    history: tuple[Epoch, ...]
    device: str = "-"
    """The device it was begun on, as `cpu` or `8 x cuda`."""

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are kept."""
        return kept_epoch(self.history, self.recipe)

    @property
    def seconds(self) -> float:
        """Training and validation of all epochs."""
        return sum(epoch.seconds for epoch in self.history)

    @property
    def epoch_s(self) -> float:
        """Seconds of one epoch."""
        return self.seconds / len(self.history)

    @property
    def step_ms(self) -> float:
        """Milliseconds of one optimizer step, over all epochs."""
        return 1000 * sum(e.train_seconds for e in self.history) / sum(e.steps for e in self.history)


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Runs in the order in which they were named; the first is the reference."""

    runs: tuple[Run, ...]

    def speed_up(self, run: Run) -> float:
        """The reference's seconds an epoch over the run's."""
        return self.runs[0].epoch_s / run.epoch_s

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"reference": self.runs[0].name, "runs": [self._facts(run) for run in self.runs]}

    def _facts(self, run: Run) -> dict[str, Any]:
        return {
            "run": run.name,
            "architecture": run.recipe.architecture,
            "precision": run.recipe.precision,
            "device": run.device,
            "epochs": len(run.history),
            "seconds": run.seconds,
            "epoch_s": run.epoch_s,
            "step_ms": run.step_ms,
            "speedup": self.speed_up(run),
            "val_accuracy": run.best.val_accuracy,
            "val_auc": run.best.val_auc,
            "best_epoch": run.best.epoch,
        }

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Headings and cells of the table."""
        headings = ["run", "network", "precision", "device", "epochs", "min", "s/epoch", "ms/step"]
        headings += ["speed-up", "accuracy", "AUC", "epoch kept"]
        return headings, [self._row(run) for run in self.runs]

    def _row(self, run: Run) -> list[str]:
        return [
            run.name,
            run.recipe.architecture,
            run.recipe.precision,
            run.device,
            str(len(run.history)),
            f"{run.seconds / 60:.2f}",
            f"{run.epoch_s:.2f}",
            f"{run.step_ms:.1f}",
            f"{self.speed_up(run):.2f}",
            f"{run.best.val_accuracy:.4f}",
            "-" if run.best.val_auc is None else f"{run.best.val_auc:.4f}",
            str(run.best.epoch),
        ]

    def to_text(self) -> str:
        """The table."""
        headings, rows = self.rows()
        return table(headings, rows, left=4)


def read_run(folder: Path) -> Run:
    """Read a run folder; one that is still under way has the epochs done so far.

    Raises:
        CheckpointError: it is no run folder, or no epoch is done.
    """
    try:
        history = read_history((folder / HISTORY).read_text())
        recipe = load_recipe(folder / RECIPE)
        device = _device_of(folder)
    except (OSError, ValueError, UsageError) as error:
        raise CheckpointError(
            f"{folder} is no run folder of this xopt ({error}); give folders that xopt train wrote"
        ) from error
    if not history:
        raise CheckpointError(f"{folder} has no finished epoch yet; wait for its first")
    return Run(name=folder.resolve().name, recipe=recipe, history=history, device=device)


def _device_of(folder: Path) -> str:
    """The device that run.json names; `-` for a training that was written in one go and has none."""
    if not (folder / RUN).is_file():
        return "-"
    return str(json.loads((folder / RUN).read_bytes()).get("device", "-"))


def compare_runs(folders: Sequence[Path]) -> RunComparison:
    """Read several runs.

    Raises:
        CheckpointError: as `read_run`.
    """
    return RunComparison(runs=tuple(read_run(folder) for folder in folders))
