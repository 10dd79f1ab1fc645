"""The objective of a real search: train a candidate on the recipe, and take its best validation mean AUC."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets import Dataset, open_source
from ...runtime.errors import BusyError, CheckpointError, DataError, OutputError, UsageError
from ...runtime.files import make_folder
from ...train.loop import train
from ...train.recipe import Recipe
from ...train.results import Epoch, Trained, read_history
from .candidates import Assignment, Outcome
from .halving import Curves, Halving


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training that all candidates of a search have in common."""

    recipe: Recipe
    """Its architecture and input size are each candidate's own."""
    data: Path
    data_format: str | None = None
    """None recognises it."""
    uncertain: str = "ignore"
    findings: str = "competition"
    """See datasets.options.ReadOptions."""
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
        dataset = open_source(self.data, self.data_format, uncertain=self.uncertain, findings=self.findings)
        if self.train_images is not None:
            part = dataset.split("train").spread(self.train_images)
            dataset = replace(dataset, splits={**dataset.splits, "train": part})
        return Trainer(self, dataset)


@dataclass(frozen=True)
class Trainer:
    """Trains candidates, one after the other."""

    training: Training
    dataset: Dataset

    def evaluate(self, assignment: Assignment) -> Outcome:
        """Train a candidate; its run folder holds the checkpoint of the epoch that is kept, whose AUC counts.

        Raises:
            XoptError: see `train.train`.
        """
        training = self.training
        recipe = recipe_for(training.recipe, assignment)
        make_folder(training.runs)
        run = training.runs / assignment.code
        epochs = _epochs_before(run)

        def report(epoch: Epoch) -> None:
            # A training that was resumed begins where its last state was saved.
            epochs[epoch.epoch - 1 :] = [epoch]
            curve = _curve(epochs)
            training.curves.write(assignment.code, curve)
            if training.halving is not None and epoch.epoch in training.halving.rungs(recipe.epochs):
                others = training.curves.others(assignment.code, epoch.epoch)
                if not training.halving.goes_on(max(curve), others):
                    raise _Stopped

        try:
            trained = self._train(recipe, run, report)
        except _Stopped:
            return _outcome(epochs, stopped=True)
        found = _outcome(trained.history)
        return replace(found, value=found.curve[trained.best.epoch - 1], run=run)

    def _train(self, recipe: Recipe, run: Path, report: Callable[[Epoch], None]) -> Trained:
        try:
            return train(self.dataset, recipe, report=report, run=run, resume=True)
        except BusyError:
            # Another worker has it, and its folder is not this one's to remove.
            raise
        except (CheckpointError, UsageError, OutputError):
            # What an earlier search left there is damaged, or of another recipe.
            shutil.rmtree(run, ignore_errors=True)
            return train(self.dataset, recipe, report=report, run=run, force=True)


def _epochs_before(run: Path) -> list[Epoch]:
    """The epochs that a killed training had behind it."""
    try:
        return list(read_history((run / "history.csv").read_text()))
    except (OSError, ValueError):
        return []


class _Stopped(Exception):  # noqa: N818 - successive halving is no error
    pass


def recipe_for(recipe: Recipe, assignment: Assignment) -> Recipe:
    """The recipe of one candidate: its network, at its input size, with the same margin around the crop."""
    margin = recipe.size / recipe.crop
    return replace(
        recipe,
        architecture=assignment.architecture,
        crop=assignment.input_size,
        size=round(assignment.input_size * margin),
    )


def _curve(epochs: Sequence[Epoch]) -> tuple[float, ...]:
    values = [epoch.val_auc for epoch in epochs]
    if None in values:
        raise DataError(
            "no class of the split val has both labels, so that no AUC is defined; use other data"
        )
    return tuple(value for value in values if value is not None)


def _outcome(epochs: Sequence[Epoch], *, stopped: bool = False) -> Outcome:
    curve = _curve(epochs)
    seconds = sum(epoch.seconds for epoch in epochs)
    return Outcome(value=max(curve), curve=curve, seconds=seconds, stopped=stopped)
