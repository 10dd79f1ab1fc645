"""The common ground of the image decoders: the answer with its notes, the caps, grey by table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_FILE_BYTES = 128 * 1024 * 1024
"""Largest image file read, and the most that a deflated DICOM may unfold to, in bytes."""
MAX_PIXELS = 40_000_000
"""Most pixels decoded; large X-ray detectors have about 17 million. A 79 KB PNG can unfold to 284 MB."""

_BLOCK_PIXELS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image in 8-bit grey, and how its grey values came about."""

    image_HW: NDArray[np.uint8]
    notes: dict[str, str]
    """What decided the grey values, by name ("format", for DICOM also "window", ...); no patient data."""


@dataclass(frozen=True, kw_only=True)
class Prepared(Decoded):
    """An image as a bundle's graph takes it: `image_HW` is square, of the bundle's size."""

    height: int
    """Height that the image had before it was resized, in pixels."""
    width: int
    """Width that it had, in pixels."""


def look_up(words_HW: NDArray[np.unsignedinteger], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values uint8 (H, W) of unsigned words, each through a table that has an entry for every word."""
    grey_HW = np.empty(words_HW.shape, dtype=np.uint8)
    # numpy widens an index to eight bytes: whole images at once would take nine times their size.
    rows = max(1, _BLOCK_PIXELS // words_HW.shape[1])
    for top in range(0, words_HW.shape[0], rows):
        np.take(table, words_HW[top : top + rows], out=grey_HW[top : top + rows])
    return grey_HW


def words_present(words_HW: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Which words an image holds: bool (256,) or (65536,), by the width of its words."""
    present = np.zeros(1 << (8 * words_HW.dtype.itemsize), dtype=np.bool_)
    rows = max(1, _BLOCK_PIXELS // words_HW.shape[1])
    for top in range(0, words_HW.shape[0], rows):
        present[words_HW[top : top + rows]] = True
    return present
