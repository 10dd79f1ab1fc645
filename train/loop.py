"""Training: a dataset and a recipe become a network, alone or shared among processes, and resumable."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..datasets import Dataset
from ..models.registry import build, check_architecture
from ..runtime.requires import need
from .distributed import Processes
from .recipe import Recipe
from .results import Epoch, Trained
from .run_checkpointer import EVERY_EPOCH, Interval, RunCheckpointer, stop_requests
from .run_folder import check_target
from .run_setup import RunSetup, prepare
from .trainer import Trainer
from .training_state import States

Report = Callable[[Epoch], None]


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    report: Report | None = None,
    run: Path | None = None,
    resume: bool = False,
    force: bool = False,
    checkpoint_every: Interval = EVERY_EPOCH,
    weights: Path | None = None,
    teacher: Path | None = None,
    device: str = "auto",
) -> Trained:
    """Train a network on a dataset's `train` split, keeping the epoch that does best on `val`, or the last.

    Args:
        dataset: has the splits train and val, and their images.
        recipe: all settings.
        report: called after each epoch, in the first process.
        run: a run folder to keep up to date (see train.run_folder); None keeps everything in memory.
        resume: go on with what `run` holds; begin where it holds nothing yet.
        force: replace an earlier run.
        checkpoint_every: how often `run` gets a state to go on from; one is written at the end in any case.
        weights: a checkpoint or weights file to start from instead of random or ImageNet's weights.
        teacher: a bundle or checkpoint whose answers the network learns beside the labels.
        device: one of train.distributed.DEVICES.

    Returns:
        the network and its history, in every process.

    Raises:
        DataError: a split or an image is absent, or the labels do not fit the loss.
        InputError: an image cannot be decoded.
        UsageError: the recipe names an architecture that is not known, or a resumed run is another one.
        TrainingError: the loss stopped being a number, the disk is full, another process is gone.
        StoppedError: SIGTERM or Ctrl-C asked to stop; the run is saved.
        BusyError: another training is at work in the run folder.
        OutputError: the run folder exists.
        DependencyError: a library is not installed.
    """
    check_architecture(recipe.architecture)
    need("torch", "torchvision", extra="train")
    import torch

    processes = Processes(device)
    with processes.explaining():
        if run is not None:
            processes.on_main(lambda: check_target(run, force=force, resume=resume))
        setup = prepare(dataset, recipe, processes, weights=weights, teacher=teacher)
        cuda = [processes.device] if processes.device.type == "cuda" else []
        # Weights come from torch's own global generator; the caller's is given back as it was.
        with torch.random.fork_rng(devices=cuda), stop_requests(wanted=run is not None) as stop:
            resumed = resume and run is not None and States(run).exist
            trainer = _make_trainer(setup, processes, resumed=resumed)
            with closing(RunCheckpointer(trainer, setup, run, checkpoint_every, stop)) as checkpointer:
                checkpointer.open(resume=resume, force=force)
                checkpointer.run(report)
    return setup.result(trainer)


def _make_trainer(setup: RunSetup, processes: Processes, *, resumed: bool) -> Trainer:
    """Build the network and give it its first weights, the same in every process."""
    import torch

    recipe = setup.recipe
    torch.manual_seed(recipe.seed)
    network = build(recipe.architecture, len(setup.dataset.classes), recipe.channels)
    # A saved state holds every weight; there is no need to find some first.
    processes.on_main(lambda: None if resumed else setup.init_weights(network))
    if not processes.is_main:
        # All begin with the first one's weights; what they drop out is their own.
        torch.manual_seed(recipe.seed + processes.rank)
    return Trainer(recipe, network, train=setup.train, val=setup.val, loss=setup.loss, processes=processes)
