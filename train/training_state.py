"""The states of a training on disk: complete or absent, so that any kill leaves one to go on from.

    RUN/states/00000120-00004/
        state.pt           weights, optimizer, average, random numbers, history: tensors and plain values only
        best.safetensors   the weights that did best so far; a link to the one before while they stay the best
        state.json         step and epoch, and the SHA-256 of the other two

A state is written into a folder beside its place, flushed to disk and renamed; only then the one before is
removed. The newest complete folder is the one to go on from.
"""

import hashlib
import io
import json
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.errors import CheckpointError
from ..runtime.files import make_folder, staged_folder
from ..runtime.schema import SchemaError, from_json, to_facts

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .distributed import Processes

FOLDER = "states"
_STATE, _BEST, _FACTS = "state.pt", "best.safetensors", "state.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """The content of state.json."""

    format: int = _FORMAT
    step: int
    epoch: int
    best_epoch: int
    """0 before the first epoch has ended."""
    sha256: dict[str, str]
    """Of the other files, by name."""


class States:
    """The states of one run."""

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self.best: tuple[int, Path, str] | None = None
        """Epoch, file and SHA-256 of the best weights as last saved."""

    @property
    def exist(self) -> bool:
        """True where a state is there; `load` checks that it can be read."""
        return bool(self._places())

    def _places(self) -> list[Path]:
        """Folders of states, the newest last."""
        return sorted(path for path in self.folder.glob("[0-9]*") if path.is_dir())

    def save(
        self, place: tuple[int, int], state: dict[str, Any], best: "dict[str, Tensor]", best_epoch: int
    ) -> None:
        """Write a state, then remove the one before.

        Args:
            place: optimizer steps done, and the epoch under way; a state that is there already is kept.
            state: tensors and plain values, in dictionaries and lists.
            best: the weights that did best.
            best_epoch: the epoch they are of, 0 before the first.

        Raises:
            OutputError: the disk refused; the state before is intact.
        """
        import torch

        step, epoch = place
        # After an epoch's last step comes its validation: another state after as many steps.
        folder = self.folder / f"{step:08d}-{epoch:05d}"
        if folder.is_dir():
            return
        make_folder(self.folder)
        content = io.BytesIO()
        # Into memory first: torch's own writer turns a full disk into an error without a reason.
        torch.save(state, content)
        digests = {_STATE: hashlib.sha256(content.getbuffer()).hexdigest()}
        with staged_folder(folder, marker=_FACTS) as stage:
            (stage / _STATE).write_bytes(content.getbuffer())
            if best_epoch:
                digests[_BEST] = self._write_best(stage / _BEST, best, best_epoch)
            facts = _Facts(step=step, epoch=epoch, best_epoch=best_epoch, sha256=digests)
            (stage / _FACTS).write_text(json.dumps(to_facts(facts), indent=2) + "\n")
        if best_epoch:
            self.best = (best_epoch, folder / _BEST, digests[_BEST])
        self.prune(folder)

    def load(self) -> "tuple[dict[str, Any], dict[str, Tensor]] | None":
        """The newest state and its best weights (empty before the first epoch); None where nothing is saved.

        Raises:
            CheckpointError: it is damaged, or of a newer xopt.
        """
        places = self._places()
        if not places:
            return None
        from safetensors.torch import load

        place = places[-1]
        facts = _read_facts(place)
        state = _load(_read(place, _STATE, facts), place)
        best: dict[str, Tensor] = {}
        if facts.best_epoch:
            best = load(_read(place, _BEST, facts))
            self.best = (facts.best_epoch, place / _BEST, facts.sha256[_BEST])
        self.prune(place)
        return state, best

    def prune(self, keep: Path) -> None:
        """Remove every other state, and what a kill left half-written."""
        for path in self.folder.iterdir():
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)

    def _write_best(self, file: Path, best: "dict[str, Tensor]", epoch: int) -> str:
        if self.best is not None and self.best[0] == epoch:
            try:
                os.link(self.best[1], file)
            except OSError:
                # Not every file system has links.
                shutil.copyfile(self.best[1], file)
            return self.best[2]
        from safetensors.torch import save

        content = save({key: tensor.contiguous() for key, tensor in best.items()})
        file.write_bytes(content)
        return hashlib.sha256(content).hexdigest()


def _load(content: bytes, place: Path) -> dict[str, Any]:
    import torch

    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{place} cannot be read by this torch; train anew with --force") from error
    return state


def _read_facts(place: Path) -> _Facts:
    try:
        facts = from_json(_Facts, (place / _FACTS).read_bytes())
    except (OSError, SchemaError) as error:
        raise CheckpointError(f"{place} is damaged ({error}); train anew with --force") from error
    if facts.format != _FORMAT:
        raise CheckpointError(f"{place} was saved by another version of xopt; resume with that one")
    return facts


def _read(place: Path, name: str, facts: _Facts) -> bytes:
    try:
        content = (place / name).read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {place / name}: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != facts.sha256.get(name):
        raise CheckpointError(f"{place / name} has changed since it was saved; train anew with --force")
    return content


def random_state(device: "torch.device") -> "dict[str, torch.Tensor]":
    """torch's random generators of CPU and device, so that a resumed training draws the same numbers."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["device"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(states: "list[dict[str, torch.Tensor]]", processes: "Processes") -> None:
    """Set this process's generators; a process that was not there before keeps its own."""
    import torch

    if processes.rank >= len(states):
        return
    state = states[processes.rank]
    torch.set_rng_state(state["cpu"])
    if "device" in state and processes.device.type == "cuda":
        torch.cuda.set_rng_state(state["device"], processes.device)
