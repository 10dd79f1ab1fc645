"""Activation maps laid over the image they are of."""

import numpy as np
import pytest

from xopt.runtime.heatmap import assemble, to_image
from xopt.runtime.images.preprocessing import Preprocessing

TEN = Preprocessing(size=72, crop=64, crops="ten")
SHARED = Preprocessing(size=72, crop=64, crops="ten-shared")


def maps_of(preprocessing: Preprocessing, whole: np.ndarray, cells: int) -> np.ndarray:
    """What each view would see of evidence that is known for every pixel: its mean over each cell."""
    side = preprocessing.view_size
    block = side // cells
    views = []
    for view in preprocessing.views():
        cut = whole[view.top : view.top + side, view.left : view.left + side]
        cut = cut[:, ::-1] if view.mirrored else cut
        views.append(cut[: cells * block, : cells * block].reshape(cells, block, cells, block).mean((1, 3)))
    return np.stack(views).astype(np.float32)


@pytest.mark.parametrize(("preprocessing", "cells"), [(TEN, 4), (SHARED, 4)], ids=["ten", "ten-shared"])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 54), (54, 0), (54, 54), (18, 36)])
def test_evidence_ends_up_where_it_was(preprocessing, cells, top, left):
    whole = np.zeros((72, 72))
    whole[top : top + 18, left : left + 18] = 1
    heat = assemble(maps_of(preprocessing, whole, cells), preprocessing)
    assert heat.shape == (72, 72)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert top <= row < top + 18
    assert left <= column < left + 18


def test_overlapping_views_are_averaged_and_not_added():
    heat = assemble(np.full((10, 2, 2), 3.0, np.float32), TEN)
    np.testing.assert_allclose(heat, 3.0, atol=1e-6)


def test_what_no_view_saw_is_not_a_number_and_becomes_zero():
    center = Preprocessing(size=72, crop=64, crops="center")
    heat = assemble(np.array([[[1, 2], [3, 4]]], np.float32), center)
    assert np.isnan(heat[:4]).all()
    assert np.isnan(heat[:, -4:]).all()
    assert not np.isnan(heat[4:68, 4:68]).any()
    shown = to_image(heat, 72, 72)
    assert shown[0, 0] == 0
    assert shown.max() == 1


@pytest.mark.parametrize(("height", "width"), [(72, 72), (144, 100), (30, 200), (1, 1)])
def test_a_heatmap_has_the_image_s_pixels_and_lies_in_zero_to_one(height, width):
    random = np.random.default_rng(0).normal(size=(72, 72)).astype(np.float32)
    shown = to_image(random, height, width)
    assert shown.shape == (height, width)
    assert shown.dtype == np.float32
    assert 0 <= shown.min() <= shown.max() <= 1


@pytest.mark.parametrize("value", [-4.0, 0.0, 7.0])
def test_evidence_that_is_the_same_everywhere_shows_nowhere(value):
    assert not to_image(np.full((8, 8), value, np.float32), 16, 16).any()
