"""The images of each step: the same whatever the number of processes, and known without any state.

Shape suffixes: N images of a split, C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import UsageError
from .recipe import Recipe

_ORDER = 7_001
"""Keeps the order's random numbers apart from the crops', which are drawn by seed, epoch and image."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The batches of every epoch."""

    recipe: Recipe
    labels_NC: NDArray[np.uint8]
    """0 or 1, (N, C)."""
    mask_NC: NDArray[np.bool_] | None = None
    """Which labels are known; None where all are."""

    def __len__(self) -> int:
        # A last batch that is not full is left out: one image would have no variance to normalise by.
        return max(1, len(self.labels_NC) // self.recipe.batch_size)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """The images of one epoch in their order, (N,); `balanced` draws with repetition."""
        random = np.random.default_rng([self.recipe.seed, epoch, _ORDER, 0])
        count = len(self.labels_NC)
        if self.recipe.sampling == "shuffle":
            return random.permutation(count)
        chances_N = draw_chances(self.labels_NC, self.mask_NC)
        return random.choice(count, size=count, p=chances_N)

    def batch(self, order_N: NDArray[np.intp], number: int) -> NDArray[np.intp]:
        """The images of one step: a slice of the epoch's order."""
        size = self.recipe.batch_size
        return order_N[number * size : (number + 1) * size]


def share_of(indices_B: NDArray[np.intp], rank: int, world: int) -> NDArray[np.intp]:
    """One process's share of a batch: consecutive images, sizes that differ by one at most.

    Raises:
        UsageError: there are fewer images than processes.
    """
    if len(indices_B) < world:
        raise UsageError(
            f"a batch of {len(indices_B)} images cannot be shared among {world} processes; "
            "start fewer, or set a larger batch_size"
        )
    return np.array_split(indices_B, world)[rank]


def draw_chances(labels_NC: NDArray[np.uint8], mask_NC: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """The probability of each image to be drawn, float64 (N,) that sums to 1.

    For a single class positives and negatives come equally often. With several, an image's chance is the
    mean over the classes, each of which would have its two labels equally often; a class with one label
    only, or a label that is not known, asks for nothing.
    """
    count = len(labels_NC)
    known_NC = np.ones(labels_NC.shape, dtype=bool) if mask_NC is None else mask_NC
    positive_NC, negative_NC = (labels_NC == 1) & known_NC, (labels_NC == 0) & known_NC
    positives_C, negatives_C = positive_NC.sum(axis=0), negative_NC.sum(axis=0)
    usable_C = (positives_C > 0) & (negatives_C > 0)
    known_C = np.maximum(positives_C + negatives_C, 1)
    weights_NC = np.where(
        positive_NC,
        known_C / (2 * np.maximum(positives_C, 1)),
        np.where(negative_NC, known_C / (2 * np.maximum(negatives_C, 1)), 1.0),
    )
    weights_NC[:, ~usable_C] = 1.0
    chances_N: NDArray[np.float64] = weights_NC.mean(axis=1)
    total = chances_N.sum()
    return chances_N / total if total > 0 else np.full(count, 1 / count)
