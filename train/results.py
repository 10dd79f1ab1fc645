"""The results of a training: its epochs, the network of the epoch that is kept, and their tables."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..models.checkpoint import METADATA, save_checkpoint
from ..runtime.console import note, table
from ..runtime.files import staged_folder
from .recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

EPOCH_HEADINGS = ("epoch", "train loss", "val loss", "val AUC", "accuracy", "rate", "ms/step", "seconds")


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The figures of one pass over the training split and its validation."""

    epoch: int
    """From 1."""
    seconds: float
    """Training and validation together."""
    train_seconds: float
    """Training alone."""
    steps: int
    """Optimizer steps of this epoch."""
    learning_rate: float
    """Of its last step."""
    train_loss: float
    val_loss: float
    val_auc: float | None
    """Mean ROC-AUC over the classes with both labels in val; None where there is no such class."""
    val_accuracy: float
    """Share of right labels at probability 0.5; of right images where classes exclude each other."""

    @property
    def step_ms(self) -> float:
        """Milliseconds of one optimizer step."""
        return 1000 * self.train_seconds / self.steps

    def cells(self, *, rate: str = ".3g") -> tuple[str, ...]:
        """Its row of a table, below EPOCH_HEADINGS, with the learning rate in this format."""
        return (
            str(self.epoch),
            f"{self.train_loss:.4f}",
            f"{self.val_loss:.4f}",
            "-" if self.val_auc is None else f"{self.val_auc:.4f}",
            f"{self.val_accuracy:.4f}",
            f"{self.learning_rate:{rate}}",
            f"{self.step_ms:.1f}",
            f"{self.seconds:.1f}",
        )

    @property
    def merit(self) -> float:
        """A score, higher is better: the AUC, or minus the validation loss where no epoch has an AUC."""
        return -self.val_loss if self.val_auc is None else self.val_auc


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A finished training."""

    recipe: Recipe
    classes: tuple[str, ...]
    network: "nn.Module"
    """With the weights of the epoch that is kept, on the CPU, in eval mode; logits out."""
    history: tuple[Epoch, ...]
    notes: dict[str, Any]
    """The data it was trained on, for the checkpoint."""
    task: str = "multi-label"
    """multi-label, binary or multi-class, by the loss and the classes."""

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are kept."""
        return kept_epoch(self.history, self.recipe)

    def write(self, folder: Path, *, force: bool = False) -> None:
        """Write the run folder: the checkpoint of the epoch that is kept, history.csv, recipe.toml.

        Raises:
            OutputError: the folder exists and may not be replaced, or the disk refused.
        """
        with staged_folder(folder, force=force, marker=METADATA) as stage:
            save_checkpoint(
                stage,
                self.network,
                architecture=self.recipe.architecture,
                classes=self.classes,
                preprocessing=self.recipe.preprocessing(),
                notes=self.notes,
                task=self.task,
            )
            (stage / "history.csv").write_text(history_csv(self.history))
            (stage / "recipe.toml").write_text(self.recipe.to_toml())

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "architecture": self.recipe.architecture,
            "classes": list(self.classes),
            "best": asdict(self.best),
            "epochs": [asdict(epoch) for epoch in self.history],
        }

    def to_text(self) -> str:
        """The epoch that is kept as a table."""
        best = self.best
        auc = "no class of val has both labels" if best.val_auc is None else f"{best.val_auc:.4f}"
        rows = [
            [f"{self.recipe.keep} epoch", f"{best.epoch} of {len(self.history)}"],
            ["val mean AUC", auc],
            ["val loss", f"{best.val_loss:.4f}"],
            ["time", f"{sum(epoch.seconds for epoch in self.history):.0f} s"],
        ]
        return table(["", self.recipe.architecture], rows)


def kept_epoch(history: Sequence[Epoch], recipe: Recipe) -> Epoch:
    """The last epoch, or the first of those that did best on val, as the recipe says."""
    return history[-1] if recipe.keep == "last" else max(history, key=lambda epoch: epoch.merit)


def history_csv(history: Sequence[Epoch]) -> str:
    """Epochs as CSV, one a row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    return text.getvalue()


def read_history(text: str) -> tuple[Epoch, ...]:
    """The inverse of `history_csv`.

    Raises:
        ValueError: not such a table.
    """
    epochs = []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            values = {
                field.name: int(row[field.name]) if field.type is int else _number(row[field.name])
                for field in fields(Epoch)
            }
            epochs.append(Epoch(**values))  # type: ignore[arg-type]
        except (KeyError, TypeError) as error:
            raise ValueError("history.csv lacks a column") from error
    return tuple(epochs)


def _number(text: str) -> float | None:
    return float(text) if text else None


class Display:
    """Prints the table of a training on stderr: headings before the first epoch, a row after each."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._begun = False

    def show(self, epoch: Epoch) -> None:
        """Print one epoch."""
        if not self._begun:
            note(_line(EPOCH_HEADINGS))
            self._begun = True
        number, *rest = epoch.cells(rate=".2g")
        note(_line((f"{number}/{self.epochs}", *rest)))


def _line(cells: Sequence[str]) -> str:
    widths = (max(len(heading), 9) for heading in EPOCH_HEADINGS)
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
