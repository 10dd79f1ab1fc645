from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from xopt.runtime.overlay import encode_png, overlay, overlay_name


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
