"""Splits that no patient stands in two of, with about the same share of every label in each.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) with whole patients in place of single
images. Shape suffixes: N images, P patients, S splits, C classes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError, UsageError
from .records import Dataset, Split

_MIXED = "mixed"


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Settings of a split into train, val and test."""

    val: float = 0.1
    """Share of the images that go to val, 0..1."""
    test: float = 0.2
    """Share of the images that go to test, 0..1."""
    seed: int = 0
    """Decides between equals; the same seed divides alike."""
    patients: str | None = None
    """A regular expression whose first group is the patient in an image's name; None takes the source's."""

    def __post_init__(self) -> None:
        for name in ("val", "test"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"--{name} must be a share in 0..1, got {getattr(self, name)}")
        if not 0 < self.val + self.test < 1:
            raise UsageError(
                f"--val and --test must leave some images to train, got {self.val} and {self.test}"
            )
        if self.patients is not None and _compiled(self.patients).groups < 1:
            raise UsageError(f"--patients needs a group in (), which is the patient, got {self.patients!r}")

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split that gets any images."""
        shares = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: share for name, share in shares.items() if share > 0}


def divide(dataset: Dataset, settings: SplitSettings) -> Dataset:
    """Divide all images of a dataset anew, patient by patient; its own splits are forgotten.

    An image that stands in several splits counts once.

    Raises:
        DataError: a name does not match `settings.patients`, or there are fewer patients than splits.
    """
    whole = _whole(dataset, settings.patients)
    names, patient_N = np.unique(np.array(whole.patients), return_inverse=True)
    shares = settings.shares
    if len(names) < len(shares):
        raise DataError(f"{dataset.name} has {len(names)} patients, too few for {', '.join(shares)}")
    part_P = deal_patients(whole.labels_NC, patient_N, shares, seed=settings.seed)
    splits = {
        name: replace(whole.select(np.flatnonzero(part_P[patient_N] == part)), name=name)
        for part, name in enumerate(shares)
    }
    if empty := [name for name, split in splits.items() if not len(split)]:
        raise DataError(
            f"{dataset.name} has {len(names)} patients, none is left for {empty[0]}; give it a larger share"
        )
    return replace(dataset, splits=splits)


def deal_patients(
    labels_NC: NDArray[np.uint8], patient_N: NDArray[np.intp], shares: Mapping[str, float], *, seed: int
) -> NDArray[np.intp]:
    """The split of each patient, as an index into `shares`: (P,).

    The label with the fewest images left goes first, since a rare label that is dealt late has no choice
    left; each of its patients goes to the split that lacks most of that label.
    """
    patients = int(patient_N.max()) + 1
    images_P = np.bincount(patient_N, minlength=patients)
    labels_PC = np.zeros((patients, labels_NC.shape[1]), dtype=np.int64)
    np.add.at(labels_PC, patient_N, labels_NC.astype(np.int64))
    share_S = np.array(list(shares.values()))
    room_S = share_S * images_P.sum()
    wanted_SC = share_S[:, None] * labels_PC.sum(axis=0)
    part_P = np.full(patients, -1, dtype=np.intp)
    # Patients with many images first: a late one would overfill whatever split it gets.
    order = np.random.default_rng(seed).permutation(patients)
    order = order[np.argsort(-images_P[order], kind="stable")]

    def deal(patient: int, need_S: NDArray[np.float64]) -> None:
        # As much as is lacking, relative to what the split is to have; then the emptier one.
        part = int(np.lexsort((room_S / share_S, need_S / share_S))[-1])
        part_P[patient] = part
        room_S[part] -= images_P[patient]
        wanted_SC[part] -= labels_PC[patient]

    while True:
        left_C = labels_PC[part_P < 0].sum(axis=0)
        if not left_C.any():
            break
        rarest = int(np.where(left_C > 0, left_C, left_C.sum() + 1).argmin())
        for patient in order[(part_P[order] < 0) & (labels_PC[order, rarest] > 0)]:
            deal(int(patient), wanted_SC[:, rarest])
    for patient in order[part_P[order] < 0]:
        deal(int(patient), room_S)
    return part_P


def _whole(dataset: Dataset, pattern: str | None) -> Split:
    """All images as one split, each name once."""
    splits = list(dataset.splits.values())
    names = [image for split in splits for image in split.images]
    labels_NC = np.concatenate([split.labels_NC for split in splits])
    patients = [patient for split in splits for patient in split.patients]
    if pattern is not None:
        patients = [_patient(_compiled(pattern), name) for name in names]
    mask_NC = np.concatenate([split.marked_labels >= 0 for split in splits])
    whole = Split(
        name=_MIXED,
        images=tuple(names),
        labels_NC=labels_NC,
        patients=tuple(patients),
        folders=(),
        mask_NC=None if mask_NC.all() else mask_NC,
    )
    first = {name: index for index, name in reversed(list(enumerate(names)))}
    return whole.select(sorted(first.values()))


def _patient(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None or not match.group(1):
        raise DataError(f"--patients {pattern.pattern!r} finds no patient in the image name {name}")
    return match.group(1)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--patients is no regular expression: {error}, got {pattern!r}") from error
