"""Weights that pool windows from the whole image's feature map."""

import numpy as np
import pytest

from xopt.optimize.export.graph import window_weights
from xopt.runtime.images.crops import Window, windows


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (0, [1, 1, 1, 1, 1, 1, 1, 0]),
        (16, [0.5, 1, 1, 1, 1, 1, 1, 0.5]),
        (32, [0, 1, 1, 1, 1, 1, 1, 1]),
        (8, [0.75, 1, 1, 1, 1, 1, 1, 0.25]),
    ],
)
def test_a_window_averages_the_cells_below_it(top, expected):
    (weights,) = window_weights((Window(top=top, left=0),), cells=8, window_cells=7, stride=32)
    np.testing.assert_allclose(weights.sum(1) * 7, expected, atol=1e-6)
    np.testing.assert_allclose(weights.sum(0) * 7, [1, 1, 1, 1, 1, 1, 1, 0], atol=1e-6)


def test_a_place_beyond_the_last_cell_is_the_last_cell():
    # A map of 2.25 cells has 3, one of 2 has 2; a window that begins 2.25 cells in ends beyond the third.
    (weights,) = window_weights((Window(top=40, left=0),), cells=3, window_cells=2, stride=32)
    np.testing.assert_allclose(weights.sum(1) * 2, [0, 0.75, 1.25], atol=1e-6)


@pytest.mark.parametrize(("size", "crop", "cells", "window_cells"), [(256, 224, 8, 7), (72, 64, 3, 2)])
def test_weights_of_every_window_sum_to_one(size, crop, cells, window_cells):
    five = windows("five", size=size, crop=crop)
    weights = window_weights(five, cells=cells, window_cells=window_cells, stride=32)
    assert weights.shape == (5, cells, cells)
    assert weights.dtype == np.float32
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum((1, 2)), 1, atol=1e-6)
