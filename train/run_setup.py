"""What is to be trained: splits in memory, the loss, where weights come from, and what must not change."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import Dataset
from ..runtime.errors import UsageError
from .distributed import Processes
from .init_weights import digest_of, start_from, start_pretrained
from .losses import Loss
from .recipe import Recipe
from .results import Trained
from .split_arrays import Material, read
from .teachers import open_teacher
from .trainer import Fit

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One training, read and checked."""

    dataset: Dataset
    recipe: Recipe
    train: Material
    val: Material
    loss: Loss
    weights: Path | None
    identity: dict[str, Any]
    """What a resumed run must have in common with the one it goes on with, as JSON values."""

    @property
    def task(self) -> str:
        """One of runtime.bundle.manifest.TASKS."""
        if self.loss.exclusive:
            return "multi-class"
        return "binary" if len(self.dataset.classes) == 1 else "multi-label"

    @property
    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data it has seen."""
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

    def start(self, network: "nn.Module") -> None:
        """Give a fresh network the weights it starts from.

        Raises:
            CheckpointError: they cannot be had, or are of another network.
        """
        if self.weights is not None:
            start_from(network, self.weights, self.recipe, self.dataset.classes)
        elif self.recipe.pretrained:
            start_pretrained(network, self.recipe)

    def finish(self, fit: Fit) -> Trained:
        """The network with the weights of the epoch that is kept, plain and on the CPU."""
        import torch

        from .batch_norm import separate_batch_norm

        network = fit.network
        separate_batch_norm(network)
        network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        network.load_state_dict(fit.best_weights)
        return Trained(
            recipe=self.recipe,
            classes=self.dataset.classes,
            network=network.eval(),
            history=tuple(fit.history),
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
) -> Job:
    """Read what a training needs; every process reads for itself.

    Args:
        dataset: has the splits train and val.
        recipe: all settings.
        processes: they share the teacher's work.
        weights: where to start from.
        teacher: whom to learn from.

    Raises:
        DataError, InputError: a split or an image cannot be had, or the labels do not fit the loss.
        UsageError: a batch cannot be shared among so many processes.
        CheckpointError, BundleError: the teacher or the weights cannot be had.
    """
    job = processes.together(lambda: _read(dataset, recipe, processes.world, weights))
    if teacher is None:
        return job
    known = processes.together(lambda: open_teacher(teacher, dataset.classes, exclusive=job.loss.exclusive))
    count = len(job.train)
    mine = np.arange(count)[processes.rank :: processes.world]
    rows_MC = processes.together(lambda: known.answer(dataset.split("train").select(mine)))
    taught_NC = np.zeros((count, len(dataset.classes)), dtype=np.float32)
    taught_NC[mine] = rows_MC
    train = replace(job.train, taught_NC=processes.share_rows(taught_NC, mine))
    return replace(
        job,
        train=train,
        loss=Loss(recipe, train.labels_NC, train.mask_NC, known.known_C),
        identity=job.identity | {"teacher": known.digest},
    )


def _read(dataset: Dataset, recipe: Recipe, world: int, weights: Path | None) -> Job:
    train_split, val_split = dataset.split("train"), dataset.split("val")
    train, val = read(train_split, recipe), read(val_split, recipe)
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
    return Job(
        dataset=dataset,
        recipe=recipe,
        train=train,
        val=val,
        loss=loss,
        weights=weights,
        identity=identity,
    )
