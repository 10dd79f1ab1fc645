"""A training and its run folder: it resumes from the newest state, saves at intervals, stops when asked to.

SIGTERM and Ctrl-C ask it to stop: it ends its step, saves, and says how to go on.
"""

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ..models.checkpoint import save_checkpoint
from ..runtime.console import note
from ..runtime.errors import StoppedError, UsageError
from .results import Epoch
from .run_folder import RunFolder
from .run_setup import RunSetup
from .trainer import Trainer

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_WORD = re.compile(r"([1-9]\d*) ?(step|epoch)s?")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The interval at which a training saves its state: a number of steps, or of epochs."""

    steps: int | None = None
    epochs: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read `500steps` or `2epochs`; `1epoch` and a space before the word are fine.

        Raises:
            UsageError: anything else.
        """
        found = _WORD.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--checkpoint-every takes a number of steps or epochs such as 500steps, got {text!r}"
            )
        count = int(found[1])
        return cls(steps=count) if found[2] == "step" else cls(epochs=count)

    def ends_at(self, *, step: int = 0, epoch: int = 0) -> bool:
        """True where a state is due after so many steps, or after so many epochs."""
        count, every = (step, self.steps) if step else (epoch, self.epochs)
        return every is not None and count % every == 0


EVERY_EPOCH = Interval(epochs=1)


@dataclass(kw_only=True)
class StopRequest:
    """A request to stop that a signal has made, or has not made yet."""

    signal: str | None = None
    """The signal's name."""


@contextmanager
def stop_requests(*, wanted: bool) -> Iterator[StopRequest]:
    """Take SIGTERM and SIGINT as requests to stop meanwhile; a second one acts as it did before.

    Only the main thread can; elsewhere, and where it is not wanted, nothing is changed.
    """
    request = StopRequest()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            # None stands for a handler that Python did not set, and cannot set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def request_stop(number: int, _frame: FrameType | None) -> None:
        request.signal = signal.Signals(number).name
        restore()

    for number in _SIGNALS:
        signal.signal(number, request_stop)
    try:
        yield request
    finally:
        restore()


class RunCheckpointer:
    """Runs a trainer to its end; with a run folder, so that no kill costs more than an interval."""

    def __init__(
        self, trainer: Trainer, setup: RunSetup, run: Path | None, every: Interval, stop: StopRequest
    ) -> None:
        self.trainer, self.setup, self.every, self.stop = trainer, setup, every, stop
        self.processes = trainer.processes
        self.saves = run is not None
        # Only the first process writes.
        self.folder = RunFolder(run) if run is not None and self.processes.is_main else None
        self._published = 0

    def open(self, *, resume: bool, force: bool) -> None:
        """Begin the run folder, or go on from its newest state.

        Raises:
            UsageError, CheckpointError: it is of another training, or damaged.
            BusyError: another training is at work in it.
            OutputError, TrainingError: it exists, or the disk refused.
        """
        if not self.saves:
            return
        found = self.processes.on_main(lambda: self._open(resume=resume, force=force))
        # All go on from what the first one read.
        found = self.processes.gather(found)[0]
        if found is None:
            return
        self.trainer.restore(*found)

        def go_back() -> None:
            assert self.folder is not None
            self.folder.resume_logs(self.trainer.history, self.trainer.steps)
            self._publish()

        self.processes.on_main(go_back)

    def close(self) -> None:
        """Let other trainings into the run folder."""
        if self.folder is not None:
            self.folder.close()

    def _open(self, *, resume: bool, force: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
        assert self.folder is not None
        if not (resume and self.folder.exists):
            device = self.processes.describe()
            self.folder.begin(self.setup.identity, self.setup.recipe, device=device, force=force)
            return None
        self.folder.hold()
        self.folder.check_same(self.setup.identity)
        found = self.folder.states.load()
        if found is None:
            note(f"{self.folder.path} holds nothing to go on from yet; starting at the beginning")
            self.folder.resume_logs((), 0)
        return found

    def run(self, report: Callable[[Epoch], None] | None) -> None:
        """Train to the end.

        Raises:
            StoppedError: somebody asked to stop; the run is saved.
            TrainingError: it cannot go on.
        """
        trainer = self.trainer
        while not trainer.finished:
            epoch = trainer.run_epoch(self._check_step)
            if self.saves:
                self.processes.on_main(self._log)
            if report is not None and self.processes.is_main:
                report(epoch)
            if self.saves and (trainer.finished or self.every.ends_at(epoch=epoch.epoch)):
                self._save()

    def _check_step(self, trainer: Trainer) -> None:
        """Save after a step where the interval ends, and stop where a signal has asked for it."""
        if not self.saves:
            return
        if self.every.ends_at(step=trainer.steps):
            self._save()
        # Processes agree on this as seldom as they look at their losses.
        if trainer.steps % trainer.losses.stride == 0 and self.processes.any(self.stop.signal is not None):
            self._save()
            where = f" in {self.folder.path}" if self.folder is not None else ""
            who = self.stop.signal or "another process"
            raise StoppedError(
                f"stopped by {who} after step {trainer.steps}, saved{where}; go on with --resume"
            )

    def _save(self) -> None:
        """Save where the training stands, then publish the best network."""
        trainer = self.trainer
        state = trainer.state()

        def write() -> None:
            assert self.folder is not None
            self.folder.log_steps(trainer.losses.log)
            place = (trainer.steps, trainer.epoch)
            self.folder.save_state(place, state, trainer.best_weights, trainer.best_epoch)
            self._publish()

        self.processes.on_main(write)
        trainer.losses.log.clear()

    def _log(self) -> None:
        assert self.folder is not None
        self.folder.log_steps(self.trainer.losses.log)
        self.trainer.losses.log.clear()
        self.folder.log_epochs(self.trainer.history)

    def _publish(self) -> None:
        """Write the best network so far where `xopt export` looks for it."""
        trainer, setup = self.trainer, self.setup
        if trainer.best_epoch == self._published or self.folder is None:
            return
        best, done = trainer.history[trainer.best_epoch - 1], len(trainer.history)
        with self.folder.explaining_disk_errors():
            save_checkpoint(
                self.folder.path,
                trainer.best_weights,
                architecture=setup.recipe.architecture,
                classes=setup.dataset.classes,
                preprocessing=setup.recipe.preprocessing(),
                notes=setup.notes | {"epoch": best.epoch, "epochs_done": done, "val_auc": best.val_auc},
                task=setup.task,
            )
        self._published = trainer.best_epoch
