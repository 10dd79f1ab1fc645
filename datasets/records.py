"""Datasets, which every source format becomes: images by name, their 0/1 labels, and their patients.

Shape suffixes: N images, C classes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .array_images import Stored

# ChestX-ray14 names a file PATIENT_FOLLOWUP; xopt's synthetic phantoms follow it with a word in front.
_PATIENT_IN_NAME = re.compile(r"(\d{8}|phantom\d{5})_\d{2,3}\.\w+")


def patient_of(image: str) -> str:
    """The patient an image is of, read from its name.

    `00000061_012.jpg` (ChestX-ray14) is of patient `00000061`, `phantom00012_01.png` of
    `phantom00012`; an image with any other name stands for a patient of its own.
    """
    match = _PATIENT_IN_NAME.fullmatch(PurePosixPath(image).name)
    return match.group(1) if match else image


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One part of a dataset: train, val, test, or whatever its source calls it.

    The images themselves may be absent: labels alone are enough to score predictions.
    """

    name: str
    """What the source calls this part."""
    images: tuple[str, ...]
    """N image names, relative to one of `folders`, with forward slashes."""
    labels_NC: NDArray[np.uint8]
    """Which findings each image has, 0 or 1, uint8 (N, C)."""
    patients: tuple[str, ...]
    """N patient names; an image whose patient is not known is its own patient."""
    folders: tuple[Path, ...]
    """Where images are looked for, in this order."""
    stored: Stored | None = None
    """The images themselves, where they are no files but rows of an array."""
    mask_NC: NDArray[np.bool_] | None = None
    """Which labels are known, bool (N, C), False where one is to be left out of whatever is trained or
    measured (it is 0 in `labels_NC`); None where all are known."""

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.labels_NC.ndim != 2 or self.labels_NC.dtype != np.uint8:
            raise ValueError(
                f"labels must be uint8 (N, C), got {self.labels_NC.dtype} {self.labels_NC.shape}."
            )
        if len(self.labels_NC) != count or len(self.patients) != count:
            raise ValueError(
                f"{count} images need {count} label rows and patients, "
                f"got {len(self.labels_NC)} and {len(self.patients)}."
            )
        if self.stored is not None and len(self.stored.rows_N) != count:
            raise ValueError(f"{count} images need {count} stored rows, got {len(self.stored.rows_N)}.")
        if self.mask_NC is not None and (
            self.mask_NC.dtype != np.bool_ or self.mask_NC.shape != self.labels_NC.shape
        ):
            raise ValueError(
                f"a mask must be bool {self.labels_NC.shape}, got {self.mask_NC.dtype} {self.mask_NC.shape}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def patients_known(self) -> bool:
        """True if patients were told apart from images; False where each image is its own patient."""
        return self.patients != self.images

    @property
    def marked_labels(self) -> NDArray[np.int8]:
        """Labels for whatever measures: 0, 1, or -1 where one is not known, int8 (N, C)."""
        marked_NC = self.labels_NC.astype(np.int8)
        if self.mask_NC is not None:
            marked_NC[~self.mask_NC] = -1
        return marked_NC

    def source(self, index: int) -> Path | NDArray[np.uint8]:
        """The image at `index` as the runtime takes it: a file, or the stored pixels, uint8 (H, W).

        Raises:
            DataError: it is in none of the folders, or the stored pixels cannot be read.
        """
        return self.path(index) if self.stored is None else self.stored.image(index)

    def path(self, index: int) -> Path:
        """The file of the image at `index`; `source` also knows images that are no files.

        Raises:
            DataError: it is in none of the folders.
        """
        image = self.images[index]
        for folder in self.folders:
            path = folder / image
            if path.is_file():
                return path
        looked = ", ".join(str(folder) for folder in self.folders)
        raise DataError(
            f"no image {image} of split {self.name}; looked in {looked}; put the images in one of these"
        )

    def select(self, indices: Sequence[int] | NDArray[np.integer]) -> "Split":
        """The images at `indices`, in their order, as a split of the same name."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            images=tuple(self.images[i] for i in chosen),
            labels_NC=self.labels_NC[chosen],
            patients=tuple(self.patients[i] for i in chosen),
            stored=None if self.stored is None else self.stored.select(chosen),
            mask_NC=None if self.mask_NC is None else self.mask_NC[chosen],
        )

    def spread(self, count: int) -> "Split":
        """At most `count` images, spread over the list, whose neighbours are often images of one patient."""
        return self.select(np.unique(np.linspace(0, len(self) - 1, min(count, len(self)), dtype=np.intp)))

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, over names and labels: what `sha256sum` says of a list file with single spaces.

        A label that is not known counts as `-`.
        """
        words = self.labels_NC.astype("<U1")
        if self.mask_NC is not None:
            words[~self.mask_NC] = "-"
        lines = (f"{image} {' '.join(row)}\n" for image, row in zip(self.images, words.tolist(), strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A labelled image collection in one or more splits that share their classes."""

    name: str
    """A short name for reports: the folder's or file's."""
    root: Path
    """The folder or file it was read from."""
    classes: tuple[str, ...]
    """C class names, in the order of the label columns."""
    splits: Mapping[str, Split]
    """The parts there are, by name."""
    exclusive: bool = False
    """Whether an image is of exactly one class, as in a multi-class task; else findings exclude nothing."""

    @property
    def task(self) -> str:
        """The task that the labels are for, one of runtime.bundle.manifest.TASKS."""
        if self.exclusive:
            return "multi-class"
        return "binary" if len(self.classes) == 1 else "multi-label"

    def __post_init__(self) -> None:
        for split in self.splits.values():
            if split.labels_NC.shape[1] != len(self.classes):
                raise ValueError(
                    f"split {split.name} has {split.labels_NC.shape[1]} label columns "
                    f"for {len(self.classes)} classes."
                )

    def split(self, name: str) -> Split:
        """The part called `name`.

        Raises:
            DataError: there is none of that name; the message names those there are.
        """
        if name not in self.splits:
            raise DataError(f"no split {name!r} in {self.root}; there is: {', '.join(self.splits)}")
        return self.splits[name]
