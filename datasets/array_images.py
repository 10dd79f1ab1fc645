"""Images that are no files of their own: rows of an array, opened when the first of them is needed.

Shape suffixes: N images of a split, M of an array.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pixels(Protocol):
    """Grey images of one size that lie together in one file."""

    def open(self) -> NDArray[np.uint8]:
        """All of them, uint8 (M, H, W), perhaps memory-mapped; read once, then the same array each time.

        Raises:
            DataError: the file is gone, damaged, or not what it was.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """The pixels of a split's images."""

    pixels: Pixels
    rows_N: NDArray[np.intp]
    """Which row each image is."""

    def image(self, index: int) -> NDArray[np.uint8]:
        """The image at `index`, uint8 (H, W).

        Raises:
            DataError: the pixels cannot be read.
        """
        image_HW: NDArray[np.uint8] = self.pixels.open()[self.rows_N[index]]
        return image_HW

    def select(self, chosen: Sequence[int]) -> "Stored":
        """The images at `chosen`, in that order."""
        return replace(self, rows_N=self.rows_N[list(chosen)])

    def at_size(self, size: int) -> NDArray[np.uint8] | None:
        """All images, uint8 (N, size, size), where that is their size already; else None.

        A view into the file where the rows follow each other, so that what is memory-mapped stays so.
        """
        images_MHW = self.pixels.open()
        if images_MHW.shape[1:] != (size, size):
            return None
        rows_N = self.rows_N
        if len(rows_N) and np.array_equal(rows_N, np.arange(rows_N[0], rows_N[0] + len(rows_N))):
            return images_MHW[rows_N[0] : rows_N[0] + len(rows_N)]
        return images_MHW[rows_N]
