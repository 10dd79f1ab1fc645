"""Checkpoints: a trained network with the metadata that export needs.

Ours are two files: NAME.json, which says what the network is, beside NAME.safetensors with its weights. A
run folder holds checkpoint.json and checkpoint.safetensors. A bare weights file, safetensors or torch, says
nothing of itself: its architecture and classes are given with it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import FINDINGS
from ..runtime.bundle.manifest import TASKS
from ..runtime.errors import CheckpointError, UsageError
from ..runtime.files import write_file
from ..runtime.images.preprocessing import Preprocessing
from ..runtime.requires import need
from .backbone import NetworkParts, split_network
from .checkpoint_metadata import CheckpointMetadata, default_task, read_metadata
from .registry import build, check_architecture, spec
from .weights import SUFFIXES, check_finite, load_into, read_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

METADATA = "checkpoint.json"
WEIGHTS = "checkpoint.safetensors"
SPARE = "checkpoint.other.safetensors"
"""The weights' name when the one before still has the first name: the two take turns."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network ready for export."""

    architecture: str
    """A name that models.registry.build knows."""
    task: str
    """multi-label or binary (a sigmoid follows the logits), or multi-class (a softmax does)."""
    classes: tuple[str, ...]
    """Name per output."""
    preprocessing: Preprocessing
    """What the network was trained on. Export sets the crop plan anew."""
    network: "nn.Module"
    """In eval mode, on the CPU, float32: (N, channels, crop, crop) in, logits (N, classes) out."""
    digest: str
    """SHA-256 of the weights file."""
    source: str
    """Name of the weights file, without its folders."""
    notes: dict[str, Any]
    """Other facts from the checkpoint's JSON, and what had to be assumed."""

    @cached_property
    def parts(self) -> NetworkParts:
        """The network's backbone and head."""
        return split_network(self.architecture, self.network)


def load_checkpoint(
    path: str | Path, *, architecture: str | None = None, classes: Sequence[str] | None = None
) -> Checkpoint:
    """Load a checkpoint of ours, or a bare weights file with its architecture and classes given.

    Args:
        path: a run folder, a .json, or a weights file. A .safetensors file with a .json of the same name
            beside it is read through that, unless `architecture` is given.
        architecture: for bare weights files, a name that models.registry.build knows.
        classes: for bare weights files, the name of each output in order (see `read_classes`).

    Raises:
        CheckpointError: missing, damaged, or not the network it claims to be.
        UsageError: what a bare file needs is not given, or is given where the checkpoint itself says it.
        DependencyError: torch or safetensors is not installed.
    """
    need("torch", "torchvision", "safetensors", extra="train")
    place = Path(path)
    json_path = _find_metadata(place, bare=architecture is not None)
    if json_path is None:
        return _load_bare(place, architecture, classes)
    if architecture is not None or classes is not None:
        raise UsageError(f"{json_path} names its architecture and classes; leave --arch and --classes out")
    return _load(read_metadata(json_path), json_path.parent)[0]


def save_checkpoint(
    folder: str | Path,
    network: "nn.Module | Mapping[str, Tensor]",
    *,
    architecture: str,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    notes: dict[str, Any] | None = None,
    task: str = "multi-label",
) -> Path:
    """Write a checkpoint into a run folder, over the one that is there; it is the old one or the new one.

    Args:
        folder: an existing folder; everything else in it is left alone.
        network: the plain network, not its distributed or compiled wrapper; or its `state_dict()`.
        architecture: a name that models.registry.build knows.
        classes: name per output.
        preprocessing: what the network was trained on.
        notes: anything else worth keeping, as JSON values.
        task: multi-label, binary or multi-class.

    Returns:
        the path of the JSON.

    Raises:
        CheckpointError: the weights are not finite.
        OutputError: the disk refused.
    """
    need("torch", "safetensors", extra="train")
    from safetensors.torch import save

    check_architecture(architecture)
    if task not in TASKS:
        raise UsageError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    state = network if isinstance(network, Mapping) else network.state_dict()
    weights = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    check_finite(weights, name="the network")
    content = save(weights)
    place, before = Path(folder), _named_weights(Path(folder) / METADATA)
    metadata = CheckpointMetadata(
        architecture=architecture,
        weights=SPARE if before == WEIGHTS else WEIGHTS,
        sha256=hashlib.sha256(content).hexdigest(),
        task=task,
        classes=tuple(classes),
        preprocessing=preprocessing,
        notes=notes or {},
    )
    encoded = metadata.encode()
    # The JSON names its weights file, so replacing it changes both at once; the old weights stay till then.
    write_file(place / metadata.weights, content, force=True)
    write_file(place / METADATA, encoded, force=True)
    if before in (WEIGHTS, SPARE):
        (place / before).unlink(missing_ok=True)
    return place / METADATA


def _named_weights(json_path: Path) -> str | None:
    """The weights file that a checkpoint in place names; None where there is none that can be read."""
    try:
        return read_metadata(json_path).weights
    except CheckpointError:
        return None


def read_classes(source: str | Path) -> tuple[str, ...]:
    """Class names from a file with one name a line, or the 14 findings of ChestX-ray14 for the word nih14.

    Raises:
        UsageError: no such file, or it does not hold names, each once.
    """
    if str(source) == "nih14":
        return FINDINGS
    try:
        lines = Path(source).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(
            f"cannot read class names from {source}: {reason}; give a file with one name a line, or nih14"
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(set(names)) != len(names):
        raise UsageError(
            f"{source} must hold class names, one a line, each once; it has {len(names)}, "
            f"{len(set(names))} of them different"
        )
    return names


def _find_metadata(place: Path, *, bare: bool) -> Path | None:
    """The JSON of a checkpoint; None for a bare weights file."""
    known = "give a run folder, a .json or a weights file"
    if place.is_dir():
        if (place / METADATA).is_file():
            return place / METADATA
        raise CheckpointError(f"{place} is no run folder, it holds no {METADATA}; {known}")
    if not place.exists():
        raise CheckpointError(f"no checkpoint at {place}; {known}")
    if place.suffix == ".json":
        return place
    if not place.name.endswith(SUFFIXES):
        raise CheckpointError(f"{place} is no checkpoint by its suffix; known: .json, {', '.join(SUFFIXES)}")
    beside = place.with_suffix(".json")
    return beside if place.suffix == ".safetensors" and not bare and beside.is_file() else None


def weights_file(source: Path) -> Path:
    """The file that holds the weights of a run folder, a .json, or a weights file itself.

    Raises:
        CheckpointError: nothing is there, or it is no checkpoint.
    """
    json_path = _find_metadata(source, bare=True)
    return source if json_path is None else json_path.parent / read_metadata(json_path).weights


def _load(metadata: CheckpointMetadata, folder: Path) -> tuple[Checkpoint, int]:
    """The checkpoint, and how many names of its weights had to be translated."""
    content = read_file(folder / metadata.weights)
    digest = hashlib.sha256(content).hexdigest()
    if metadata.sha256 not in (None, digest):
        raise CheckpointError(
            f"{folder / metadata.weights} has SHA-256 {digest[:12]}..., its JSON says "
            f"{str(metadata.sha256)[:12]}... (changed, or interrupted while saving); take another checkpoint"
        )
    network = build(metadata.architecture, len(metadata.classes), metadata.preprocessing.planes)
    weights = read_weights(content, metadata.weights)
    translated = load_into(network, weights, architecture=metadata.architecture, name=metadata.weights)
    checkpoint = Checkpoint(
        architecture=metadata.architecture,
        task=metadata.task,
        classes=metadata.classes,
        preprocessing=metadata.preprocessing,
        network=network.eval(),
        digest=digest,
        source=metadata.weights,
        notes=metadata.notes,
    )
    return checkpoint, translated


def _load_bare(place: Path, architecture: str | None, classes: Sequence[str] | None) -> Checkpoint:
    if architecture is None or not classes:
        # 14 outputs are no answer either: CheXpert's networks have as many, with other meanings.
        raise UsageError(
            f"{place.name} does not say what network it holds; add --arch NAME and --classes FILE (one name "
            "a line in the order of the outputs; the word nih14 stands for ChestX-ray14's findings)"
        )
    check_architecture(architecture)
    if spec(architecture) is not None:
        # The size CheXNet saw would be a guess, and a wrong one.
        raise UsageError(
            f"{place.name} does not say what images {architecture} was trained on; give the run folder, or "
            f"write {place.stem}.json beside it (docs/export.md)"
        )
    task = default_task(len(classes))
    metadata = CheckpointMetadata(
        architecture=architecture,
        weights=place.name,
        sha256=None,
        task=task,
        classes=tuple(classes),
        preprocessing=Preprocessing(),
        notes={
            "assumed": f"{task}; 256 x 256 images, 224 x 224 crops, ImageNet's mean and standard deviation "
            "(as CheXNet was trained)"
        },
    )
    checkpoint, translated = _load(metadata, place.parent)
    return replace(checkpoint, notes={**checkpoint.notes, "translated_names": translated})


def read_file(path: Path) -> bytes:
    """Read a checkpoint's file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}; check the path") from error
