"""Pooling of the ten-crop's windows from the feature map of the whole image.

Shape suffixes: W windows, h cells of the whole map along one side.
"""

import numpy as np
from numpy.typing import NDArray

from ...runtime.images.crops import Window


def window_weights(
    windows: tuple[Window, ...], *, cells: int, window_cells: int, stride: int
) -> NDArray[np.float32]:
    """Weights with which each window averages the cells of the whole image's feature map.

    A convolutional network answers a shifted image with a shifted map: cell k of a window that begins t
    pixels into the image lies at t / stride + k cells of the whole map. Where that is between two cells,
    they are interpolated linearly. What the zero padding at a window's own border does is not reproduced.

    Args:
        windows: unmirrored.
        cells: h, side of the whole image's map.
        window_cells: side of the map that a window alone would give.
        stride: pixels between cells.

    Returns:
        float32 (W, h, h), each window's weights summing to 1.
    """
    lines = [
        [_line(start / stride, cells, window_cells) for start in (window.top, window.left)]
        for window in windows
    ]
    return np.stack([np.outer(rows, columns) for rows, columns in lines]).astype(np.float32)


def _line(start: float, cells: int, window_cells: int) -> NDArray[np.float64]:
    """Weights (h,) along one side: the mean of linear interpolations at start, start + 1, ..."""
    # A map is rounded up to whole cells, so the last place of a window can lie just beyond the last cell.
    places = np.clip(start + np.arange(window_cells), 0, cells - 1)
    below = np.floor(places).astype(np.intp)
    part = places - below
    weights = np.zeros(cells)
    np.add.at(weights, below, 1 - part)
    np.add.at(weights, np.minimum(below + 1, cells - 1), part)
    return weights / window_cells
