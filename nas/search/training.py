"""The objective of a real search: train a candidate on the recipe, and take its best validation mean AUC."""

from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets import Dataset, open_source
from ...runtime.errors import DataError
from ...runtime.files import make_folder
from ...train.loop import train
from ...train.recipe import Recipe
from ...train.results import Epoch
from .candidates import Job, Outcome
from .halving import Curves, Halving


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all candidates of a search have in common."""

    recipe: Recipe
    """Its architecture and input size are each candidate's own."""
    data: Path
    data_format: str | None = None
    """None recognises it."""
    train_images: int | None = None
    """How many images of the split train are used; None is all."""
    curves: Curves
    runs: Path
    """The folder for run folders, one a candidate."""
    halving: Halving | None = None
    """None trains every candidate to the end."""

    def open(self) -> "Trainer":
        """Read the labels; called once in each worker.

        Raises:
            DataError: the data cannot be read.
        """
        dataset = open_source(self.data, self.data_format)
        if self.train_images is not None:
            part = dataset.split("train").spread(self.train_images)
            dataset = replace(dataset, splits={**dataset.splits, "train": part})
        return Trainer(self, dataset)


@dataclass(frozen=True)
class Trainer:
    """Trains candidates, one after the other."""

    training: Training
    dataset: Dataset

    def evaluate(self, job: Job) -> Outcome:
        """Train a candidate; its run folder holds the checkpoint of the best epoch.

        Raises:
            XoptError: see `train.train`.
        """
        training = self.training
        recipe = recipe_for(training.recipe, job)
        epochs: list[Epoch] = []

        def report(epoch: Epoch) -> None:
            epochs.append(epoch)
            curve = _curve(epochs)
            training.curves.write(job.code, curve)
            if training.halving is not None and epoch.epoch in training.halving.rungs(recipe.epochs):
                others = training.curves.others(job.code, epoch.epoch)
                if not training.halving.goes_on(max(curve), others):
                    raise _Stopped

        try:
            trained = train(self.dataset, recipe, report=report)
        except _Stopped:
            return _outcome(epochs, stopped=True)
        make_folder(training.runs)
        trained.write(training.runs / job.code, force=True)
        return replace(_outcome(epochs), run=training.runs / job.code)


class _Stopped(Exception):  # noqa: N818 - successive halving is no error
    pass


def recipe_for(recipe: Recipe, job: Job) -> Recipe:
    """The recipe of one candidate: its network, at its input size, with the same margin around the crop."""
    margin = recipe.size / recipe.crop
    return replace(
        recipe, architecture=job.architecture, crop=job.input_size, size=round(job.input_size * margin)
    )


def _curve(epochs: list[Epoch]) -> tuple[float, ...]:
    values = [epoch.val_auc for epoch in epochs]
    if None in values:
        raise DataError("no class of the split val has both labels, so that no AUC is defined; use other data")
    return tuple(value for value in values if value is not None)


def _outcome(epochs: list[Epoch], *, stopped: bool = False) -> Outcome:
    curve = _curve(epochs)
    seconds = sum(epoch.seconds for epoch in epochs)
    return Outcome(value=max(curve), curve=curve, seconds=seconds, stopped=stopped)
