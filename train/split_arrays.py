"""A split in memory, as a training sees it.

Shape suffixes: N images, C classes, H = W pixels.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split, load_images
from .recipe import Recipe

_LOOKED_AT = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Images and what is known of them."""

    images_NHW: NDArray[np.uint8]
    """(N, size, size), perhaps memory-mapped."""
    labels_NC: NDArray[np.uint8]
    """0 or 1."""
    mask_NC: NDArray[np.bool_] | None = None
    """Which labels are known; None where all are."""
    taught_NC: NDArray[np.float32] | None = None
    """A teacher's logits; None without one."""

    def __len__(self) -> int:
        return len(self.images_NHW)

    def mask(self, indices: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """The mask of some images."""
        return None if self.mask_NC is None else self.mask_NC[indices]

    @property
    def pixels_digest(self) -> str:
        """SHA-256 over the pixels of at most a thousand images, spread over the split."""
        count = len(self)
        chosen = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT), dtype=np.intp))
        digest = hashlib.sha256()
        for index in chosen:
            digest.update(np.ascontiguousarray(self.images_NHW[index]).data)
        return digest.hexdigest()


def read(split: Split, recipe: Recipe) -> Material:
    """Read a split's images at the recipe's size.

    Raises:
        DataError: an image is absent.
        InputError: an image cannot be decoded; the message names it.
    """
    return Material(
        images_NHW=load_images(split, recipe.preprocessing()),
        labels_NC=split.labels_NC,
        mask_NC=split.mask_NC,
    )
