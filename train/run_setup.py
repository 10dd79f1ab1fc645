"""The setup of a training: splits in memory, the loss, first weights, and what a resumed run must share."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import Dataset
from ..runtime.errors import UsageError
from .distributed import Processes
from .init_weights import digest_of, start_from, start_pretrained
from .inputs import SplitArrays, read_split
from .losses import Loss
from .recipe import Recipe
from .results import Trained
from .teachers import open_teacher
from .trainer import Trainer

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSetup:
    """The inputs of one training, read and checked."""

    dataset: Dataset
    recipe: Recipe
    train: SplitArrays
    val: SplitArrays
    loss: Loss
    weights: Path | None
    identity: dict[str, Any]
    """The facts that a resumed run must share with this one, as JSON values."""

    @property
    def task(self) -> str:
        """One of runtime.bundle.manifest.TASKS."""
        if self.loss.exclusive:
            return "multi-class"
        return "binary" if len(self.dataset.classes) == 1 else "multi-label"

    @property
    def notes(self) -> dict[str, Any]:
        """The data and first weights, for the checkpoint."""
        train, val = self.dataset.split("train"), self.dataset.split("val")
        notes: dict[str, Any] = {
            "data": self.dataset.name,
            "train_images": len(train),
            "train_digest": train.digest,
            "val_images": len(val),
            "val_digest": val.digest,
        }
        begun = {"first_weights": self.identity["first_weights"], "teacher": self.identity["teacher"]}
        return notes | {key: value for key, value in begun.items() if value is not None}

    def init_weights(self, network: "nn.Module") -> None:
        """Give a fresh network the weights it starts from.

        Raises:
            CheckpointError: they cannot be had, or are of another network.
        """
        if self.weights is not None:
            start_from(network, self.weights, self.recipe, self.dataset.classes)
        elif self.recipe.pretrained:
            start_pretrained(network, self.recipe)

    def result(self, trainer: Trainer) -> Trained:
        """The network with the weights of the epoch that is kept, plain and on the CPU."""
        import torch

        from .batch_norm import separate_batch_norm

        network = trainer.network
        separate_batch_norm(network)
        network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        network.load_state_dict(trainer.best_weights)
        return Trained(
            recipe=self.recipe,
            classes=self.dataset.classes,
            network=network.eval(),
            history=tuple(trainer.history),
            notes=self.notes,
            task=self.task,
        )


def prepare(
    dataset: Dataset,
    recipe: Recipe,
    processes: Processes,
    *,
    weights: Path | None = None,
    teacher: Path | None = None,
) -> RunSetup:
    """Read the inputs of a training; every process reads for itself.

    Args:
        dataset: has the splits train and val.
        recipe: all settings.
        processes: they share the teacher's work.
        weights: a checkpoint or weights file to start from.
        teacher: a bundle or checkpoint to learn from.

    Raises:
        DataError, InputError: a split or an image cannot be had, or the labels do not fit the loss.
        UsageError: a batch cannot be shared among so many processes.
        CheckpointError, BundleError: the teacher or the weights cannot be had.
    """
    setup = processes.together(lambda: _read(dataset, recipe, processes.world, weights))
    if teacher is None:
        return setup
    known = processes.together(lambda: open_teacher(teacher, dataset.classes, exclusive=setup.loss.exclusive))
    count = len(setup.train)
    mine = np.arange(count)[processes.rank :: processes.world]
    rows_MC = processes.together(lambda: known.answer(dataset.split("train").select(mine)))
    taught_NC = np.zeros((count, len(dataset.classes)), dtype=np.float32)
    taught_NC[mine] = rows_MC
    train = replace(setup.train, taught_NC=processes.share_rows(taught_NC, mine))
    return replace(
        setup,
        train=train,
        loss=Loss(recipe, train.labels_NC, train.mask_NC, known.known_C),
        identity=setup.identity | {"teacher": known.digest},
    )


def _read(dataset: Dataset, recipe: Recipe, world: int, weights: Path | None) -> RunSetup:
    train_split, val_split = dataset.split("train"), dataset.split("val")
    train, val = read_split(train_split, recipe), read_split(val_split, recipe)
    batch = min(recipe.batch_size, len(train))
    if batch < world:
        raise UsageError(
            f"a batch of {batch} images cannot be shared among {world} processes; start fewer, or set a "
            "larger batch_size"
        )
    identity = {
        "recipe": asdict(recipe),
        "classes": list(dataset.classes),
        "training_labels": train_split.digest,
        "validation_labels": val_split.digest,
        "training_images": train.pixels_digest,
        "validation_images": val.pixels_digest,
        "first_weights": None if weights is None else digest_of(weights),
        "teacher": None,
    }
    loss = Loss(recipe, train.labels_NC, train.mask_NC)
    loss.check(val.labels_NC, val.mask_NC, split="val")
    return RunSetup(
        dataset=dataset,
        recipe=recipe,
        train=train,
        val=val,
        loss=loss,
        weights=weights,
        identity=identity,
    )
