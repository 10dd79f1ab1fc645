"""Crops moved within their image: torchvision's geometry, and the image's own pixels around the crop."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torchvision.transforms.v2 import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import functional as vision  # noqa: E402

from xopt.runtime.images.crops import Window, take, windows  # noqa: E402
from xopt.train.warping import Move, warp  # noqa: E402

WHOLE = Window(top=0, left=0)
MOVES = [
    Move(angle=17),
    Move(angle=-90),
    Move(zoom=1.3),
    Move(zoom=0.8),
    Move(right=3, down=-5),
    Move(angle=12, right=4, down=2, zoom=1.1),
]
"""Moves to the right and down in pixels, as torchvision counts them."""


@pytest.fixture(scope="module")
def batch():
    return torch.from_numpy(np.random.default_rng(0).random((6, 1, 33, 33), dtype=np.float32))


def warp_all(batch, move, window=WHOLE, crop=33, border="black"):
    shares = replace(move, right=move.right / crop, down=move.down / crop)
    return warp(batch, [window] * len(batch), [shares] * len(batch), crop=crop, border=border)


def by_torchvision(batch, move):
    return vision.affine(
        batch,
        angle=move.angle,
        translate=[move.right, move.down],
        scale=move.zoom,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )


@pytest.mark.parametrize("move", MOVES)
def test_geometry_is_torchvision_s(batch, move):
    torch.testing.assert_close(warp_all(batch, move), by_torchvision(batch, move), atol=2e-4, rtol=0)


@pytest.mark.parametrize("window", windows("ten", size=33, crop=20))
def test_a_crop_that_is_not_moved_is_the_window(batch, window):
    expected = np.stack([take(image.numpy(), window, 20) for image in batch[:, 0]])
    found = warp_all(batch, Move(), window, crop=20)
    torch.testing.assert_close(found[:, 0], torch.from_numpy(expected.copy()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("move", MOVES)
def test_around_a_crop_stands_the_image(batch, move):
    # As if the whole image were turned around the crop's middle, and the crop cut out afterwards.
    middle = Window(top=11, left=11)
    expected = by_torchvision(batch, move)[:, :, 11:22, 11:22]
    torch.testing.assert_close(warp_all(batch, move, middle, crop=11), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("window", [Window(top=2, left=9), Window(top=13, left=0, mirrored=True)])
def test_a_crop_turns_around_its_own_middle(batch, move, window):
    # What comes from within the crop is all there is of it; a ring of black holds what the turn pushes out.
    def ringed(image):
        return torch.nn.functional.pad(image, (10, 10, 10, 10))

    def turned(image):
        return by_torchvision(ringed(image), move)[:, :, 10:30, 10:30]

    within = turned(torch.nn.functional.pad(torch.ones(6, 1, 18, 18), (1, 1, 1, 1))) == 1
    assert within.float().mean() > 0.4
    expected = turned(warp_all(batch, Move(), window, crop=20))
    found = warp_all(batch, move, window, crop=20)
    torch.testing.assert_close(found[within], expected[within], atol=1e-3, rtol=0)


@pytest.mark.parametrize("move", [Move(right=3, down=-5), Move(zoom=0.8), Move(angle=30)])
def test_an_edge_is_drawn_out_where_black_would_stand(batch, move):
    drawn_out = warp_all(batch, move, border="edge")
    # A ring of the edge's own pixels around the image says the same where it is wide enough.
    ring = torch.nn.functional.pad(batch, (33, 33, 33, 33), mode="replicate")
    expected = warp_all(ring, move, Window(top=33, left=33))
    torch.testing.assert_close(drawn_out, expected, atol=2e-4, rtol=0)
    assert not torch.equal(warp_all(batch, move), drawn_out)
