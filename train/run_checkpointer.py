"""A training and its run folder: it goes on where it stood, saves as it goes, and stops when asked to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..models.checkpoint import save_checkpoint
from ..runtime.console import note
from ..runtime.errors import StoppedError
from .intervals import Interval
from .results import Epoch
from .run_folder import RunFolder
from .run_setup import Job
from .stopping import Request
from .trainer import Fit


class Keeper:
    """Runs a fit to its end; with a run folder, so that no kill costs more than an interval."""

    def __init__(
        self, fit: Fit, job: Job, run: Path | None, checkpoint_every: Interval, request: Request
    ) -> None:
        self.fit, self.job, self.every, self.request = fit, job, checkpoint_every, request
        self.processes = fit.processes
        self.kept = run is not None
        # Only the first process writes.
        self.folder = RunFolder(run) if run is not None and self.processes.leads else None
        self._published = 0

    def open(self, *, resume: bool, force: bool) -> None:
        """Begin the run folder, or go on from its newest state.

        Raises:
            UsageError, CheckpointError: it is of another training, or damaged.
            BusyError: another training is at work in it.
            OutputError, TrainingError: it exists, or the disk refused.
        """
        if not self.kept:
            return
        found = self.processes.lead(lambda: self._open(resume=resume, force=force))
        # All go on from what the first one read.
        found = self.processes.gather(found)[0]
        if found is None:
            return
        self.fit.restore(*found)

        def go_back() -> None:
            assert self.folder is not None
            self.folder.resume_logs(self.fit.history, self.fit.steps)
            self._publish()

        self.processes.lead(go_back)

    def close(self) -> None:
        """Let other trainings into the run folder."""
        if self.folder is not None:
            self.folder.close()

    def _open(self, *, resume: bool, force: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
        assert self.folder is not None
        if not (resume and self.folder.exists):
            device = self.processes.describe()
            self.folder.begin(self.job.identity, self.job.recipe, device=device, force=force)
            return None
        self.folder.hold()
        self.folder.check_same(self.job.identity)
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
        fit = self.fit
        while not fit.finished:
            epoch = fit.run_epoch(self._after_step)
            if self.kept:
                self.processes.lead(self._log)
            if report is not None and self.processes.leads:
                report(epoch)
            if self.kept and (fit.finished or self.every.after_epoch(epoch.epoch)):
                self._save()

    def _after_step(self, fit: Fit) -> None:
        if not self.kept:
            return
        if self.every.after_step(fit.steps):
            self._save()
        # Processes agree on this as seldom as they look at their losses.
        if fit.steps % fit.losses.stride == 0 and self.processes.any(bool(self.request)):
            self._save()
            where = f" in {self.folder.path}" if self.folder is not None else ""
            raise StoppedError(
                f"stopped by {self.request.name or 'another process'} after step {fit.steps}, saved{where}; "
                "go on with --resume"
            )

    def _save(self) -> None:
        """Save where the training stands, then publish the best network."""
        fit = self.fit
        state = fit.state()

        def write() -> None:
            assert self.folder is not None
            self.folder.log_steps(fit.losses.log)
            self.folder.save_state((fit.steps, fit.epoch), state, fit.best_weights, fit.best_epoch)
            self._publish()

        self.processes.lead(write)
        fit.losses.log.clear()

    def _log(self) -> None:
        assert self.folder is not None
        self.folder.log_steps(self.fit.losses.log)
        self.fit.losses.log.clear()
        self.folder.log_epochs(self.fit.history)

    def _publish(self) -> None:
        """Write the best network so far where `xopt export` looks for it."""
        fit, job = self.fit, self.job
        if fit.best_epoch == self._published or self.folder is None:
            return
        best = fit.history[fit.best_epoch - 1]
        notes = job.notes | {"epoch": best.epoch, "epochs_done": len(fit.history), "val_auc": best.val_auc}
        with self.folder.keeping():
            save_checkpoint(
                self.folder.path,
                fit.best_weights,
                architecture=job.recipe.architecture,
                classes=job.dataset.classes,
                preprocessing=job.recipe.preprocessing(),
                notes=notes,
                task=job.task,
            )
        self._published = fit.best_epoch
