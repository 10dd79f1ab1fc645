"""The JSON of a checkpoint: which network its weights are, what its outputs mean, which images it saw."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.bundle.manifest import TASKS
from ..runtime.errors import CheckpointError, UsageError
from ..runtime.images.preprocessing import Preprocessing, from_schema_1
from ..runtime.schema import SchemaError, from_facts, to_facts
from .registry import check_architecture
from .weights import SUFFIXES

_REQUIRED = ("architecture", "weights", "classes")
_KNOWN = (*_REQUIRED, "sha256", "task", "preprocessing", "notes")
_LOOSE = ("size", "crop", "channels", "mean", "std")
"""Keys of the preprocessing that may stand alone."""


@dataclass(frozen=True, kw_only=True)
class CheckpointMetadata:
    """The fields of a checkpoint's JSON."""

    architecture: str
    """A name that models.registry.build knows."""
    weights: str
    """Name of the weights file, beside the JSON."""
    sha256: str | None = None
    """SHA-256 of the weights file, where the JSON names it."""
    task: str
    """One of runtime.bundle.manifest.TASKS."""
    classes: tuple[str, ...]
    """Name per output."""
    preprocessing: Preprocessing
    """What the network was trained on."""
    notes: dict[str, Any]
    """Everything else."""

    def __post_init__(self) -> None:
        if Path(self.weights).name != self.weights or not self.weights.endswith(SUFFIXES):
            raise ValueError(
                f"weights must name a file beside it ({', '.join(SUFFIXES)}), got {self.weights!r}."
            )
        if not all(self.classes) or not self.classes:
            raise ValueError(f"classes must list the name of each output, got {list(self.classes)}.")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be named once each, got {list(self.classes)}.")
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {self.task!r}.")

    def encode(self) -> str:
        """The text of the JSON.

        Raises:
            ValueError: the notes hold a NaN or an infinity, which JSON does not have.
        """
        return json.dumps(to_facts(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


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
        metadata = from_facts(CheckpointMetadata, _complete(facts))
        check_architecture(metadata.architecture)
    except (UsageError, SchemaError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return metadata


def default_task(classes: int) -> str:
    """The task of a checkpoint that names none: independent classes, or a single one."""
    return "multi-label" if classes > 1 else "binary"


def _complete(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with a preprocessing, a task, and as notes what is not known here."""
    known = {key: facts[key] for key in _KNOWN if key in facts}
    classes = facts["classes"]
    task = default_task(len(classes)) if isinstance(classes, list) else TASKS[0]
    notes = facts.get("notes", {})
    others = {k: v for k, v in facts.items() if k not in _KNOWN and k not in _LOOSE}
    return {
        "task": task,
        **known,
        "preprocessing": _preprocessing(facts),
        "notes": others | (notes if isinstance(notes, dict) else {"notes": notes}),
    }


def _preprocessing(facts: dict[str, Any]) -> Any:
    """The preprocessing as one object: as it stands there, or from keys that stand alone and its defaults."""
    given = facts.get("preprocessing")
    if given is not None:
        whole = not isinstance(given, dict) or not set(_LOOSE[:3]) & set(given)
        if not whole and (absent := [key for key in _LOOSE if key not in given]):
            raise SchemaError(f"preprocessing lacks {', '.join(absent)}; see docs/export.md")
        return given if whole else from_schema_1(given)
    given = {key: facts[key] for key in _LOOSE if key in facts}
    channels = given.get("channels", 3)
    if channels == 1:
        # ImageNet's figures are three; a single plane without figures of its own takes their average.
        given = {"mean": [0.449], "std": [0.226]} | given
    for key in ("mean", "std"):
        if key in given and not isinstance(given[key], list) and isinstance(channels, int):
            given[key] = [given[key]] * channels
    return to_facts(Preprocessing()) | from_schema_1(given)
