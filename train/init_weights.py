"""Weights to start from: ImageNet's, or those of a file, on colour or on grey planes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.checkpoint import METADATA, read_file, weights_file
from ..models.checkpoint_metadata import read_metadata
from ..models.weights import load_into, read_weights
from ..runtime.console import note
from ..runtime.errors import CheckpointError
from ..runtime.images.preprocessing import Preprocessing
from .recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

_RELEASE = "IMAGENET1K_V1"


def start_pretrained(network: "nn.Module", recipe: Recipe) -> None:
    """Fill a network with torchvision's ImageNet weights; its head stays fresh.

    Raises:
        CheckpointError: there are none of this architecture, or they cannot be fetched.
    """
    from torchvision import models

    remedy = "start from a file with --weights FILE, or from random weights with --no-pretrained"
    try:
        release = models.get_model_weights(recipe.architecture)[_RELEASE]
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"there are no ImageNet weights of {recipe.architecture}; {remedy}") from error
    try:
        weights = release.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        name = release.url.rsplit("/", 1)[-1]
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"cannot fetch the ImageNet weights of {recipe.architecture} ({reason}); get {name} elsewhere "
            f"and {remedy}"
        ) from error
    _fill(network, weights, recipe, name=release.url.rsplit("/", 1)[-1], with_head=False)


def start_from(network: "nn.Module", source: Path, recipe: Recipe, classes: Sequence[str]) -> None:
    """Fill a network with the weights of a checkpoint, run folder or weights file.

    A head for other classes stays out, which a remark on stderr says, and a first convolution of three planes
    is folded for a network of one.

    Args:
        network: filled in place.
        source: a bare weights file does not name its classes; with as many as there are here, they are taken
            to be the same.
        recipe: of the network.
        classes: what it is to answer for.

    Raises:
        CheckpointError: they cannot be read, or are of another network.
    """
    file = weights_file(source)
    weights = read_weights(read_file(file), file.name)
    theirs = _classes_of(source)
    with_head = theirs in (None, tuple(classes))
    kept = _fill(network, weights, recipe, name=file.name, with_head=with_head)
    if kept and theirs is None:
        note(f"{source} names no classes; its head is taken to be for {', '.join(classes)}")
    if not kept:
        head = "of another number of classes" if theirs is None else f"for {', '.join(theirs)}"
        note(f"the head of {source} is {head}; the one for {', '.join(classes)} starts from random weights")


def digest_of(source: Path) -> str:
    """SHA-256 of the weights that `start_from` would read.

    Raises:
        CheckpointError: they cannot be read.
    """
    return hashlib.sha256(read_file(weights_file(source))).hexdigest()


def _classes_of(source: Path) -> tuple[str, ...] | None:
    """The classes that a checkpoint is of; None where nothing says, as beside a bare weights file."""
    try:
        return read_metadata(source / METADATA if source.is_dir() else source.with_suffix(".json")).classes
    except CheckpointError:
        return None


def _fill(
    network: "nn.Module", weights: "dict[str, Tensor]", recipe: Recipe, *, name: str, with_head: bool
) -> bool:
    """Fill a network, its head only where that is wanted and fits; whether the head was filled, too."""
    from torch import nn

    own = network.state_dict()
    head = [path for path, part in network.named_modules() if isinstance(part, nn.Linear)][-1]
    first = next(f"{path}.weight" for path, part in network.named_modules() if isinstance(part, nn.Conv2d))
    one_plane = own[first].shape[1] == 1
    fitted: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        # The head of a CheXNet checkpoint stands one level deeper, before its sigmoid.
        plain = key.replace(f"{head}.0.", f"{head}.")
        mine = next((k for k in (f"{head}.weight", f"{head}.bias") if plain.endswith(k)), None)
        if mine is not None and not (with_head and own[mine].shape == tensor.shape):
            fitted[mine] = own[mine]
            with_head = False
        elif one_plane and key.endswith(first) and tensor.shape[1] == 3:
            fitted[key] = fold(tensor, recipe)
        else:
            fitted[key] = tensor
    load_into(network, fitted, architecture=recipe.architecture, name=name)
    return with_head


def fold(weights: "Tensor", recipe: Recipe) -> "Tensor":
    """The first convolution of three colour planes as one of a grey plane.

    A grey image has three equal planes, each normalised by ImageNet's own mean and deviation; the one plane
    is normalised by the recipe's. The sum over the planes, each scaled by the ratio of the deviations, is
    the same convolution but for a constant a filter, which the BatchNorm behind it takes out as it trains.

    Args:
        weights: float32 (filters, 3, height, width).
        recipe: normalises the one plane.

    Returns:
        float32 (filters, 1, height, width).
    """
    import torch

    ratio = recipe.std[0] / torch.tensor(Preprocessing().std)
    return (weights * ratio.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
