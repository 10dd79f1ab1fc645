"""One finalist trained once more, with a seed of its own: a run folder, and its answers on val beside it.

Shape suffixes: N images, C classes, B images of a batch.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, Split, load_images
from ...models.checkpoint import METADATA, Checkpoint, load_checkpoint
from ...runtime.errors import XoptError
from ...runtime.files import write_file
from ...runtime.images.crops import take
from ...train.inputs import normalise
from ...train.loop import train
from ...train.recipe import Recipe

if TYPE_CHECKING:
    from ...train.results import Epoch

ANSWERS = "val.npz"
RECIPE = "recipe.toml"
_BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrained:
    """A finished training of a finalist."""

    run: Path
    """Its run folder."""
    val_NC: NDArray[np.float32]
    """Probabilities on the split val, in its order."""


def retrain(
    dataset: Dataset,
    recipe: Recipe,
    run: Path,
    *,
    report: "Callable[[Epoch], None] | None" = None,
) -> Retrained:
    """Train a network, unless `run` holds that very training already.

    Args:
        dataset: with train and val.
        recipe: complete: architecture, input size and seed are the finalist's own.
        run: the run folder; another training in it is replaced.
        report: called after each epoch.

    Raises:
        XoptError: see `train.train`.
    """
    val = dataset.split("val")
    checkpoint = _trained(run, recipe, dataset)
    if checkpoint is None:
        run.parent.mkdir(parents=True, exist_ok=True)
        train(dataset, recipe, report=report).write(run, force=True)
        checkpoint = load_checkpoint(run)
    known_NC = _known_answers(run, checkpoint)
    if known_NC is not None:
        return Retrained(run=run, val_NC=known_NC)
    answers_NC = predict(checkpoint, val)
    content = io.BytesIO()
    np.savez(content, probabilities=answers_NC, checkpoint=np.array(checkpoint.digest))
    write_file(run / ANSWERS, content.getvalue(), force=True)
    return Retrained(run=run, val_NC=answers_NC)


def predict(checkpoint: Checkpoint, split: Split) -> NDArray[np.float32]:
    """Probabilities of a network in PyTorch on the centre crops of a split, float32 (N, C)."""
    import torch

    preprocessing = checkpoint.preprocessing
    window = replace(preprocessing, crops="center").windows()[0]
    images_NHW = load_images(split, preprocessing)
    answers = []
    with torch.inference_mode():
        for start in range(0, len(images_NHW), _BATCH):
            crops = [take(image, window, preprocessing.crop) for image in images_NHW[start : start + _BATCH]]
            crops_BHW = torch.from_numpy(np.stack(crops))
            logits_BC = checkpoint.network(normalise(crops_BHW, preprocessing))
            exclusive = checkpoint.task == "multi-class"
            answers.append(logits_BC.softmax(1) if exclusive else logits_BC.sigmoid())
    probabilities: NDArray[np.float32] = torch.cat(answers).numpy()
    return probabilities


def _trained(run: Path, recipe: Recipe, dataset: Dataset) -> Checkpoint | None:
    """The checkpoint that `run` holds; None where it is of another training, unfinished or damaged."""
    if not (run / METADATA).is_file():
        return None
    try:
        if (run / RECIPE).read_text(encoding="utf-8") != recipe.to_toml():
            return None
        checkpoint = load_checkpoint(run)
    except (OSError, ValueError, XoptError):
        return None
    digests = {f"{name}_digest": dataset.split(name).digest for name in ("train", "val")}
    same = all(checkpoint.notes.get(key) == digest for key, digest in digests.items())
    return checkpoint if same else None


def _known_answers(run: Path, checkpoint: Checkpoint) -> NDArray[np.float32] | None:
    try:
        with np.load(run / ANSWERS) as stored:
            if str(stored["checkpoint"]) != checkpoint.digest:
                return None
            answers_NC: NDArray[np.float32] = stored["probabilities"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    return answers_NC
