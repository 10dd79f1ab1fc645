"""A run folder while a training writes it: its identity, its logs, its state, its best network.

run.json           the recipe and the data: a resumed run must have the same
recipe.toml        every setting as used
history.csv        an epoch a row
steps.csv          an optimizer step a row
events.out.*       the same for TensorBoard
states/            the state to resume from (see train.training_state)
lock               held by the process that writes, while it does
checkpoint.json    the best network so far, with its weights beside it
run.html, *.svg    the page of the run, at its end
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .. import __version__
from ..models.registry import check_architecture
from ..runtime.errors import BusyError, CheckpointError, OutputError, TrainingError, UsageError
from ..runtime.files import check_free, staged_folder, sync, write_file
from ..runtime.locks import is_locked, locked
from .events import Events
from .recipe import Recipe
from .results import Epoch, history_csv
from .running_loss import Step
from .training_state import States

RUN = "run.json"
HISTORY = "history.csv"
STEPS = "steps.csv"
RECIPE = "recipe.toml"
LOCK = "lock"
_STEP_HEADER = ",".join(field.name for field in fields(Step))


class RunFolder:
    """The run folder of the process that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states = States(path)
        self._events: Events | None = None
        self._held = ExitStack()

    @property
    def exists(self) -> bool:
        """True where a training has begun."""
        return (self.path / RUN).is_file()

    def hold(self) -> None:
        """Keep other trainings out of the folder until `close`, and remove what a kill left half-written.

        Raises:
            BusyError: one is at work in it.
            OutputError: the disk refused.
        """
        self._held.enter_context(locked(self.path / LOCK, _busy(self.path)))
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others in."""
        self._held.close()

    def begin(self, identity: dict[str, Any], recipe: Recipe, *, device: str, force: bool) -> None:
        """Make the folder, with what it is in it from the first moment, and hold it.

        Args:
            identity: facts that a resumed run must have in common with this one.
            recipe: all settings.
            device: its processes and their device, in words.
            force: replace what is there.

        Raises:
            BusyError: a training is at work in the one that is to be replaced.
            OutputError: it exists and may not be replaced, or the disk refused.
        """
        if self.exists:
            self.hold()
        marker = RUN if self.exists else "checkpoint.json"
        with staged_folder(self.path, force=force, marker=marker) as stage:
            (stage / RECIPE).write_text(recipe.to_toml())
            facts = {"xopt": __version__, "device": device, "identity": identity}
            (stage / RUN).write_text(json.dumps(facts, indent=2) + "\n")
            self._held.enter_context(locked(stage / LOCK, _busy(self.path)))
        self._log_from(0)

    def check_same(self, identity: dict[str, Any]) -> None:
        """Check that a training to go on with is the one that was begun.

        Raises:
            UsageError: its recipe, data, first weights or teacher are others, and the message names them; or
                its architecture was removed.
            CheckpointError: run.json cannot be read.
        """
        try:
            before = json.loads((self.path / RUN).read_bytes())["identity"]
            check_architecture(before["recipe"]["architecture"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.path / RUN} cannot be read ({error}); train anew with --force"
            ) from error
        if changes := describe_changes(before, identity):
            raise UsageError(
                f"{self.path} was begun with {'; '.join(changes)}; resume it as it was, or choose "
                "another --out"
            )

    def resume_logs(self, history: Sequence[Epoch], steps: int) -> None:
        """Take the logs back to where the training goes on.

        Raises:
            TrainingError: the disk refused.
        """
        with self.explaining_disk_errors():
            self.log_epochs(history)
            file = self.path / STEPS
            lines = file.read_bytes().split(b"\n") if file.is_file() else []
            kept = [line for line in lines[:-1] if 0 < _step_of(line) <= steps]
            write_file(file, b"\n".join([_STEP_HEADER.encode(), *kept, b""]), force=True)
        self._log_from(steps)

    def log_steps(self, steps: Sequence[Step]) -> None:
        """Append optimizer steps to the logs.

        Raises:
            TrainingError: the disk refused.
        """
        if not steps:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Step)], lineterminator="\n")
        file = self.path / STEPS
        if not file.is_file() or not file.stat().st_size:
            text.write(f"{_STEP_HEADER}\n")
        for step in steps:
            writer.writerow(asdict(step))
            self._scalar("train/loss", step.loss, step.step)
            self._scalar("train/learning_rate", step.learning_rate, step.step)
        with self.explaining_disk_errors():
            with file.open("a") as log:
                log.write(text.getvalue())
            self._flush()

    def log_epochs(self, history: Sequence[Epoch]) -> None:
        """Write the history anew; its last epoch goes to TensorBoard, too.

        Raises:
            TrainingError: the disk refused.
        """
        with self.explaining_disk_errors():
            write_file(self.path / HISTORY, history_csv(history), force=True)
        if history and self._events is not None:
            last = history[-1]
            for name in ("train_loss", "val_loss", "val_auc", "val_accuracy", "seconds"):
                if (value := getattr(last, name)) is not None:
                    self._scalar(f"epoch/{name}", value, last.epoch)
            with self.explaining_disk_errors():
                self._flush()

    def save_state(
        self, place: tuple[int, int], state: dict[str, Any], best: dict[str, Any], best_epoch: int
    ) -> None:
        """Save where the training stands (see States.save).

        Raises:
            TrainingError: the disk refused.
        """
        with self.explaining_disk_errors():
            if (self.path / STEPS).is_file():
                # A power cut must not leave a state whose steps are not in the log.
                sync(self.path / STEPS)
            self.states.save(place, state, best, best_epoch)

    @contextmanager
    def explaining_disk_errors(self) -> Iterator[None]:
        """Give the errors of a disk that refuses one line: nothing is lost, and how to go on."""
        try:
            yield
        except (OSError, OutputError) as error:
            reason = error if isinstance(error, OutputError) else f"{self.path}: {error.strerror or error}"
            raise TrainingError(
                f"{reason}; what was saved before is intact: make room, then go on with --resume"
            ) from error

    def _log_from(self, steps: int) -> None:
        self._events = Events(self.path, first_step=steps + 1 if steps else 0)

    def _scalar(self, tag: str, value: float, step: int) -> None:
        if self._events is not None:
            self._events.scalar(tag, value, step)

    def _flush(self) -> None:
        if self._events is not None:
            self._events.flush()


def check_target(path: Path, *, force: bool, resume: bool) -> None:
    """Check before long work that a run may be written at `path`.

    Raises:
        BusyError: another training is at work there.
        OutputError: something is there that may neither be replaced nor resumed.
    """
    run = RunFolder(path)
    if run.exists and is_locked(path / LOCK):
        raise BusyError(_busy(path))
    if resume and run.exists:
        return
    if run.exists and not force:
        raise OutputError(f"{path} exists already; go on with it by --resume, or replace it by --force")
    check_free(path, force=force, marker=RUN if run.exists else "checkpoint.json")


def describe_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name the differences between two identities."""
    changes = []
    old, new = before["recipe"], now["recipe"]
    changes += [
        f"{name} = {json.dumps(old[name])} in its recipe, not {json.dumps(new[name])}"
        for name in new
        if name in old and json.loads(json.dumps(new[name])) != old[name]
    ]
    for part in ("classes", *(key for key in now if key not in ("recipe", "classes"))):
        if json.loads(json.dumps(now[part])) != before.get(part):
            changes.append(f"other {part.replace('_', ' ')}")
    return changes


def _busy(path: Path) -> str:
    return f"another process is training into {path}; wait for it to end, or choose another --out"


def _step_of(line: bytes) -> int:
    """The step of a complete row; 0 for the header, and for what a kill or a power cut has torn."""
    cells = line.split(b",")
    complete = len(cells) == len(fields(Step)) and cells[1].isdigit()
    return int(cells[1]) if complete else 0
