"""Which images calibrate INT8: a draw from the training split, its patients in no other.

Shape suffixes: N images, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, Split
from ...datasets.roles import PIXELS, joined
from ...runtime.errors import DataError, UsageError
from ..settings import SAMPLINGS
from .activations import farthest_points

TRAIN = "train"
"""The split that calibration images come from."""
POOL = 1000
"""Of how many images farthest points are chosen, at most: each of them runs through the network."""


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """The images drawn, and what was asked for."""

    images: Split
    """The images, in the order of their list."""
    dataset: str
    """The dataset's name."""
    asked: int
    """How many were asked for; there are fewer where the split has fewer."""
    sampling: str
    """One of SAMPLINGS."""
    candidates: int
    """How many images it was a choice of."""
    excluded: int
    """How many images of the split could not be drawn, since their patients stand in another split."""
    copies: int = 0
    """How many were drawn and left out, since their pixels stand in a split that gates or reports."""
    pixels: tuple[str, ...] = ()
    """Digests of the images' pixels (datasets.roles), where they were taken."""

    @property
    def digest(self) -> str:
        """SHA-256 over the names and labels drawn."""
        return self.images.digest

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        return {
            "data": self.dataset,
            "split": self.images.name,
            "size": len(self.images),
            "asked": self.asked,
            "sampling": self.sampling,
            "candidates": self.candidates,
            "excluded": self.excluded,
            "patients_known": self.images.patients_known,
            "digest": self.digest,
            "copies": self.copies,
            # By name and by pixels, so that anybody can check later that what is scored did not calibrate.
            "images": list(self.images.images),
            PIXELS: joined(self.pixels),
        }


def draw_calibration(
    dataset: Dataset,
    count: int,
    *,
    seed: int = 0,
    sampling: str = "stratified",
    features: Callable[[Split], NDArray[np.float64]] | None = None,
    pool: int = POOL,
) -> CalibrationSet:
    """Draw calibration images from the training split.

    Patients who stand in any other split are left out, so that neither the gate nor a later test sees an
    image of a patient that the quantized network was fitted to.

    Args:
        dataset: with a split called train.
        count: how many images; all that may be drawn where there are fewer.
        seed: the same seed draws the same images.
        sampling: stratified keeps the labels in proportion; random does not look at them; farthest covers
            what the network does with the images (coverage.farthest_points).
        features: for farthest, the images as points, float64 (N, F), as coverage.image_features makes them.
        pool: among how many images farthest points are chosen, at most, themselves drawn stratified; `count`
            where that is more.

    Raises:
        UsageError: fewer than one image asked for, an unknown sampling, or farthest points without features.
        DataError: there is no training split, or it has no image left to draw.
    """
    _check(dataset, count, sampling, with_features=features is not None)
    apart = patients_apart(dataset)
    candidates = _distinct(apart)
    if not len(candidates):
        raise DataError(
            f"the {TRAIN} split of {dataset.name} has {len(dataset.split(TRAIN))} images, all of patients "
            "who stand in another split too; split by patient first"
        )
    count, asked = min(count, len(candidates)), count
    if sampling == "random":
        chosen = random_sample(len(candidates), count, seed=seed)
    else:
        first = count if sampling == "stratified" else min(max(count, pool), len(candidates))
        chosen = stratified_sample(candidates.labels_NC, first, seed=seed)
    if sampling == "farthest" and features is not None:
        candidates = candidates.select(chosen)
        chosen = farthest_points(features(candidates), count, seed=seed)
    return CalibrationSet(
        images=candidates.select(chosen),
        dataset=dataset.name,
        asked=asked,
        sampling=sampling,
        candidates=len(candidates),
        excluded=len(dataset.split(TRAIN)) - len(apart),
    )


def _check(dataset: Dataset, count: int, sampling: str, *, with_features: bool) -> None:
    if count < 1:
        raise UsageError(f"calibration needs at least 1 image, got {count}")
    if sampling not in SAMPLINGS:
        raise UsageError(f"sampling must be one of {', '.join(SAMPLINGS)}, got {sampling!r}")
    if TRAIN not in dataset.splits:
        raise DataError(
            f"{dataset.name} has no split {TRAIN!r} to calibrate on, it has {', '.join(dataset.splits)}; "
            f"add a {TRAIN} split, since the images that gate or test must not calibrate"
        )
    if sampling == "farthest" and not with_features:
        raise UsageError("farthest points are chosen among activations; give draw_calibration features")


def _distinct(split: Split) -> Split:
    """The split with each image once."""
    first_of = {image: index for index, image in reversed(list(enumerate(split.images)))}
    return split.select([i for i, image in enumerate(split.images) if first_of[image] == i])


def patients_apart(dataset: Dataset) -> Split:
    """The images of the training split whose patients stand in no other split.

    Raises:
        DataError: there is no training split.
    """
    train = dataset.split(TRAIN)
    elsewhere = {p for split in dataset.splits.values() if split.name != TRAIN for p in split.patients}
    return train.select([i for i, patient in enumerate(train.patients) if patient not in elsewhere])


def random_sample(total: int, count: int, *, seed: int) -> NDArray[np.intp]:
    """Draw `count` of `total` images, each as likely as any other; indices in rising order."""
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def stratified_sample(labels_NC: NDArray[np.uint8], count: int, *, seed: int) -> NDArray[np.intp]:
    """Draw images so that each label is about as frequent among them as among all.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) into two parts, those drawn and the
    rest: the label with the fewest images left goes first, since a rare label that is dealt late has no
    choice left; each of its images goes to the part that lacks most of that label. At least one image of
    every label is drawn where `count` allows, which plain proportions would round away.

    Args:
        labels_NC: 0 or 1, uint8 (N, C); rows without any label are dealt last.
        count: images to draw, 0..N.
        seed: decides between equals.

    Returns:
        `count` indices in rising order.
    """
    total = len(labels_NC)
    if not 0 <= count <= total:
        raise ValueError(f"count must be in 0..{total}, got {count}.")
    order = np.random.default_rng(seed).permutation(total)
    shuffled_NC = labels_NC[order].astype(bool)
    # Wanted per part and label: row 0 counts what is drawn, row 1 what stays.
    room = np.array([count, total - count], dtype=float)
    positives_C = shuffled_NC.sum(axis=0)
    drawn_C = np.maximum(count * positives_C / max(total, 1), np.minimum(positives_C, 1))
    wanted_2C = np.stack([drawn_C, positives_C - drawn_C])
    left = np.ones(total, dtype=bool)
    chosen: list[int] = []

    def deal(index: int, part: int) -> None:
        left[index] = False
        room[part] -= 1
        wanted_2C[part, shuffled_NC[index]] -= 1
        if part == 0:
            chosen.append(int(order[index]))

    while True:
        remaining_C = shuffled_NC[left].sum(axis=0)
        if not remaining_C.any():
            break
        rarest = int(np.where(remaining_C > 0, remaining_C, total + 1).argmin())
        for index in np.flatnonzero(left & shuffled_NC[:, rarest]):
            deal(int(index), _neediest(wanted_2C[:, rarest], room))
    for index in np.flatnonzero(left):
        deal(int(index), _neediest(room, room))
    return np.array(sorted(chosen), dtype=np.intp)


def _neediest(wanted: NDArray[np.float64], room: NDArray[np.float64]) -> int:
    """The part, 0 or 1, that lacks most of a label; a full part takes nothing more."""
    if room[0] < 1 or room[1] < 1:
        return int(room[0] < 1)
    if wanted[0] == wanted[1]:
        return int(room[1] > room[0])
    return int(wanted[1] > wanted[0])
