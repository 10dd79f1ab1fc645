"""The JSON of a checkpoint: which network its weights are, what its outputs mean, which images it saw."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..runtime.bundle.manifest import TASKS
from ..runtime.errors import CheckpointError, UsageError
from ..runtime.images.preprocessing import Preprocessing
from .registry import check_architecture
from .weights import SUFFIXES

_REQUIRED = ("architecture", "weights", "classes")


@dataclass(frozen=True, kw_only=True)
class CheckpointMetadata:
    """The fields of a checkpoint's JSON."""

    architecture: str
    """A name that models.registry.build knows."""
    weights: str
    """Name of the weights file, beside the JSON."""
    sha256: str | None
    """SHA-256 of the weights file, where the JSON names it."""
    task: str
    """One of runtime.bundle.manifest.TASKS."""
    classes: tuple[str, ...]
    """Name per output."""
    preprocessing: Preprocessing
    """What the network was trained on."""
    notes: dict[str, Any]
    """Everything else."""

    def encode(self) -> str:
        """The text of the JSON.

        Raises:
            ValueError: the notes hold a NaN or an infinity, which JSON does not have.
        """
        facts = {
            "architecture": self.architecture,
            "weights": self.weights,
            "sha256": self.sha256,
            "task": self.task,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "notes": self.notes,
        }
        return json.dumps(facts, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_metadata(path: Path) -> CheckpointMetadata:
    """Read a checkpoint's JSON, one of ours or one with the same first three keys.

    Without a `preprocessing` object, `size`, `crop`, `channels`, `mean` and `std` may stand alone (one
    number counts for every channel); what is left out takes the defaults of Preprocessing. Keys that are
    not known here become notes.

    Raises:
        CheckpointError: not readable, or a value does not fit.
    """
    try:
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no readable JSON ({error}); see docs/export.md") from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"{path} must hold a JSON object; see docs/export.md for its keys")
    if absent := [key for key in _REQUIRED if key not in facts]:
        raise CheckpointError(
            f"{path} describes no checkpoint: it has no {', '.join(absent)}; see docs/export.md"
        )
    try:
        return _parse(facts)
    except (UsageError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _parse(facts: dict[str, Any]) -> CheckpointMetadata:
    rest = dict(facts)
    architecture, weights, classes = (rest.pop(key) for key in _REQUIRED)
    check_architecture(str(architecture))
    if not isinstance(weights, str) or Path(weights).name != weights or not weights.endswith(SUFFIXES):
        raise ValueError(f"weights must name a file beside it ({', '.join(SUFFIXES)}), got {weights!r}.")
    if not isinstance(classes, list) or not classes or not all(isinstance(c, str) and c for c in classes):
        raise ValueError(f"classes must list the name of each output, got {classes!r}.")
    if len(set(classes)) != len(classes):
        raise ValueError(f"classes must be named once each, got {classes!r}.")
    task = rest.pop("task", default_task(len(classes)))
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}.")
    sha256 = rest.pop("sha256", None)
    preprocessing = _parse_preprocessing(rest)
    notes = rest.pop("notes", {})
    return CheckpointMetadata(
        architecture=str(architecture),
        weights=weights,
        sha256=sha256,
        task=task,
        classes=tuple(classes),
        preprocessing=preprocessing,
        notes=rest | (notes if isinstance(notes, dict) else {"notes": notes}),
    )


def default_task(classes: int) -> str:
    """The task of a checkpoint that names none: independent classes, or a single one."""
    return "multi-label" if classes > 1 else "binary"


def _parse_preprocessing(rest: dict[str, Any]) -> Preprocessing:
    """Take the preprocessing's keys out of `rest`."""
    complete = rest.pop("preprocessing", None)
    if complete is not None:
        if not isinstance(complete, dict):
            raise ValueError(f"preprocessing must be an object, got {complete!r}.")
        return Preprocessing.from_json(complete)
    given: dict[str, Any] = {key: rest.pop(key) for key in ("size", "crop", "channels") if key in rest}
    if odd := [key for key, value in given.items() if type(value) is not int]:
        raise ValueError(f"{', '.join(odd)} must be a whole number.")
    channels = given.get("channels", 3)
    if channels == 1:
        # ImageNet's figures are three; a single plane without figures of its own takes their average.
        given |= {"mean": (0.449,), "std": (0.226,)}
    for key in ("mean", "std"):
        if key in rest:
            value = rest.pop(key)
            given[key] = tuple(map(float, value if isinstance(value, list) else [value] * channels))
    return replace(Preprocessing(), **given)
