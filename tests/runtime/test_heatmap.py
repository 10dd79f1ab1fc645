"""Activation maps laid over the image they are of, and the pictures made of them."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from xopt.runtime.heatmap import assemble, encode_png, overlay, overlay_name, to_image
from xopt.runtime.images.preprocessing import Preprocessing

TEN = Preprocessing.square(72, 64, crops="ten")
SHARED = Preprocessing.square(72, 64, crops="ten-shared")


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
    center = Preprocessing.square(72, 64, crops="center")
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


def test_without_evidence_the_image_stays_as_it_is():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    blended = overlay(image, np.zeros((16, 16), np.float32))
    np.testing.assert_array_equal(blended, np.repeat(image[..., np.newaxis], 3, axis=2))


def test_the_more_evidence_the_more_colour():
    image = np.full((1, 11), 60, np.uint8)
    blended = overlay(image, np.linspace(0, 1, 11, dtype=np.float32)[np.newaxis]).astype(int)
    away_from_grey = np.abs(blended - 60).sum(-1)[0]
    assert (np.diff(away_from_grey)[3:] > 0).all()
    assert blended.shape == (1, 11, 3)


def test_it_is_written_as_a_png_with_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with Image.open(BytesIO(encode_png(pixels))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        ("chest.png", "Mass", "chest.png.Mass.png"),
        ("a/b/chest.png", "Pleural Thickening", "a--b--chest.png.Pleural-Thickening.png"),
        ("../x.png", "a/b", "x.png.a-b.png"),
        ("x.png", "...", "x.png.unnamed.png"),
        ("Röntgen.png", "Häufig", "Röntgen.png.Häufig.png"),
    ],
)
def test_an_overlay_is_named_by_image_and_class(image, name, expected):
    assert overlay_name(image, name) == expected
