"""A teacher: a bundle or checkpoint whose answers a smaller network learns (Hinton et al. 2015).

It answers every training image once: a bundle as it would on a device, with its own preprocessing and crop
plan, a checkpoint on its centre crop. The answers are then the same for every augmentation of an image.

Shape suffixes: N images, C classes of the student, T of the teacher.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split, load_images
from ..models.checkpoint import Checkpoint, load_checkpoint
from ..runtime.console import progress
from ..runtime.errors import UsageError

if TYPE_CHECKING:
    from ..runtime.classifier import Classifier

_LEAST = 1e-6
"""Probabilities nearer to 0 or 1 have no finite logit worth learning."""
_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Teacher:
    """A teacher that knows at least one of the classes."""

    known_C: NDArray[np.bool_]
    """Which of the student's classes it knows."""
    digest: str
    """Of the bundle's manifest, or of the checkpoint's weights."""
    columns_C: NDArray[np.intp]
    """Which of its outputs each class is; 0 where it knows none."""
    logits: Callable[[Split], NDArray[np.float32]]
    """A split's images to logits (N, T)."""

    def answer(self, split: Split) -> NDArray[np.float32]:
        """Its logits for the student's classes, float32 (N, C); 0 where it knows nothing.

        Raises:
            DataError, InputError: an image cannot be had.
        """
        return np.where(self.known_C, self.logits(split)[:, self.columns_C], np.float32(0))


def open_teacher(source: Path, classes: Sequence[str], *, exclusive: bool = False) -> Teacher:
    """Open a bundle, or a checkpoint or run folder.

    Args:
        source: its folder or file.
        classes: the student's.
        exclusive: an image is of exactly one of them, so that the teacher has to know all.

    Raises:
        UsageError: it knows none of the classes, or too few.
        BundleError, CheckpointError: it cannot be read.
    """
    own: Sequence[str]
    logits: Callable[[Split], NDArray[np.float32]]
    if (source / "manifest.json").is_file():
        from ..runtime.classifier import Classifier

        classifier = Classifier.load(source)
        own, digest = classifier.manifest.classes, classifier.digest
        logits = partial(_bundle_logits, classifier)
    else:
        checkpoint = load_checkpoint(source)
        own, digest = checkpoint.classes, checkpoint.digest
        logits = partial(_checkpoint_logits, checkpoint)
    known_C = np.array([name in own for name in classes])
    if not known_C.any():
        raise UsageError(
            f"the teacher {source} knows none of the classes; it answers for {', '.join(own)}, the data has "
            f"{', '.join(classes)}"
        )
    if exclusive and not known_C.all():
        # A share of the whole cannot be told without the rest; a logit of 0 would be an answer, too.
        strange = [name for name, known in zip(classes, known_C, strict=True) if not known]
        raise UsageError(
            f"the teacher {source} does not know {', '.join(strange)}; where classes exclude each other it "
            "has to know all of them, so take another teacher, or --set loss=bce"
        )
    columns_C = np.array([own.index(name) if name in own else 0 for name in classes], dtype=np.intp)
    return Teacher(known_C=known_C, digest=digest, columns_C=columns_C, logits=logits)


def _bundle_logits(classifier: "Classifier", split: Split) -> NDArray[np.float32]:
    images_NHW = load_images(split, classifier.manifest.preprocessing)
    answers = [classifier.infer(image_HW) for image_HW in progress(images_NHW, label="asking the teacher")]
    chances_NT = np.clip(np.stack(answers).astype(np.float64), _LEAST, 1 - _LEAST)
    if classifier.manifest.task == "multi-class":
        return np.log(chances_NT).astype(np.float32)
    return (np.log(chances_NT) - np.log1p(-chances_NT)).astype(np.float32)


def _checkpoint_logits(checkpoint: Checkpoint, split: Split) -> NDArray[np.float32]:
    """The logits of a split's centre crops, float32 (N, T).

    Raises:
        DataError, InputError: an image cannot be had.
    """
    import torch

    from .inputs import normalise

    images_NHW, preprocessing = load_images(split, checkpoint.preprocessing), checkpoint.preprocessing
    window = preprocessing.windows()[0]
    rows = slice(window.top, window.top + preprocessing.crop)
    columns = slice(window.left, window.left + preprocessing.crop)
    answers = []
    with torch.inference_mode():
        for start in progress(range(0, len(split), _BATCH), label="answering"):
            crops_BHW = np.ascontiguousarray(images_NHW[start : start + _BATCH, rows, columns])
            answers.append(checkpoint.network(normalise(torch.from_numpy(crops_BHW), preprocessing)))
        return torch.cat(answers).numpy()
