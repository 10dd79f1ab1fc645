"""A split's images, decoded and resized, as one array."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..runtime.backends.base import usable_cores
from ..runtime.console import progress
from ..runtime.images.preprocessing import Preprocessing
from .records import Split


def load_images(
    split: Split, preprocessing: Preprocessing, *, workers: int | None = None
) -> NDArray[np.uint8]:
    """Decode and resize every image of a split, several at a time.

    Images that are stored at this size already are returned as they lie, perhaps read-only and
    memory-mapped.

    Args:
        split: N images.
        preprocessing: its `size` is the side of the result.
        workers: threads; None takes one for each CPU this process may use.

    Returns:
        uint8 (N, size, size), in the split's order; N * size * size bytes.

    Raises:
        DataError: an image is absent, or the file that stores them cannot be read.
        InputError: an image cannot be decoded; the message names it.
    """
    from ..runtime.images import image

    size = preprocessing.size
    if split.stored is not None and (ready_NHW := split.stored.at_size(size)) is not None:
        return ready_NHW
    images_NHW = np.empty((len(split), size, size), dtype=np.uint8)

    def load_one(index: int) -> None:
        images_NHW[index] = image.prepare(split.source(index), preprocessing).image_HW

    # Decoding and resizing release the GIL, so threads are enough and nothing is copied between processes.
    with ThreadPoolExecutor(max_workers=workers or usable_cores()) as pool:
        for _ in progress(
            pool.map(load_one, range(len(split))), label=f"reading {split.name}", total=len(split)
        ):
            pass
    return images_NHW
