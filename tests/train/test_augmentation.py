"""Augmentation of whole batches: torchvision's geometry, the same numbers whatever else is in the batch."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torchvision.transforms.v2 import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import functional as vision  # noqa: E402

from xopt.train.augmentation import Change, apply, augment, changes_anything, draw_change  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402

STRONG = Recipe(
    architecture="resnet18",
    epochs=1,
    learning_rate=0.1,
    rotation=10,
    translation=0.1,
    scale=0.2,
    brightness=0.3,
    contrast=0.4,
    gamma=0.5,
    erasing=0.5,
)
PLAIN = Recipe(architecture="resnet18", epochs=1, learning_rate=0.1)


@pytest.fixture(scope="module")
def batch():
    return torch.from_numpy(np.random.default_rng(0).random((6, 1, 33, 33), dtype=np.float32))


@pytest.mark.parametrize(
    "change",
    [
        Change(angle=17),
        Change(angle=-90),
        Change(zoom=1.3),
        Change(zoom=0.8),
        Change(right=3 / 33, down=-5 / 33),
        Change(angle=12, right=4 / 33, down=2 / 33, zoom=1.1),
    ],
)
def test_geometry_is_torchvision_s(batch, change):
    found = apply(batch, [change] * len(batch))
    expected = vision.affine(
        batch,
        angle=change.angle,
        translate=[round(33 * change.right), round(33 * change.down)],
        scale=change.zoom,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("change", [Change(right=3 / 33, down=-5 / 33), Change(zoom=0.8), Change(angle=30)])
def test_an_edge_is_drawn_out_where_black_would_stand(batch, change):
    black = apply(batch, [change] * len(batch))
    drawn_out = apply(batch, [change] * len(batch), border="edge")
    # A ring of the edge's own pixels around the image says the same where it is wide enough.
    ring = torch.nn.functional.pad(batch, (33, 33, 33, 33), mode="replicate")
    smaller = replace(change, right=change.right / 3, down=change.down / 3)
    expected = apply(ring, [smaller] * len(batch))[:, :, 33:-33, 33:-33]
    torch.testing.assert_close(drawn_out, expected, atol=2e-4, rtol=0)
    assert not torch.equal(black, drawn_out)


def test_a_recipe_says_what_its_borders_are(batch):
    edge = replace(STRONG, border="edge")
    assert not torch.equal(
        augment(batch, np.arange(6), STRONG, epoch=3), augment(batch, np.arange(6), edge, epoch=3)
    )


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
def test_brightness_contrast_and_gamma_are_torchvision_s(batch, factor):
    brighter = apply(batch, [Change(brightness=factor)] * len(batch))
    torch.testing.assert_close(brighter, vision.adjust_brightness(batch, factor))
    starker = apply(batch, [Change(contrast=factor)] * len(batch))
    torch.testing.assert_close(starker, vision.adjust_contrast(batch, factor))
    bent = apply(batch, [Change(gamma=factor)] * len(batch))
    torch.testing.assert_close(bent, vision.adjust_gamma(batch, factor))


def test_a_rectangle_is_erased_and_nothing_else(batch):
    changes = [Change() for _ in batch]
    changes[2] = Change(erased=(0.25, 0.5, 0.25, 0.125))
    found = apply(batch, changes)
    assert torch.equal(found[[0, 1, 3, 4, 5]], batch[[0, 1, 3, 4, 5]])
    different = torch.nonzero(found[2, 0] != batch[2, 0])
    # A quarter and an eighth of 33 pixels, from a quarter and a half on.
    assert different.amin(dim=0).tolist() == [8, 16]
    assert different.amax(dim=0).tolist() == [15, 19]
    assert found[2, 0, 8, 16] == pytest.approx(batch[2].mean().item())


def test_no_change_returns_the_very_batch(batch):
    assert apply(batch, [Change()] * len(batch)) is batch
    assert not changes_anything(PLAIN)
    assert changes_anything(replace(PLAIN, erasing=0.1))
    assert changes_anything(replace(PLAIN, gamma=0.1))


def test_an_image_is_changed_alike_in_every_batch_and_order(batch):
    whole = augment(batch, np.arange(6), STRONG, epoch=3)
    assert not torch.equal(whole, batch)
    part = augment(batch[[4, 1]], np.array([4, 1]), STRONG, epoch=3)
    torch.testing.assert_close(part, whole[[4, 1]], atol=1e-6, rtol=0)


def test_changes_depend_on_seed_epoch_image_and_view():
    first = draw_change(STRONG, epoch=1, index=5)
    assert first == draw_change(STRONG, epoch=1, index=5)
    others = [
        draw_change(STRONG, epoch=2, index=5),
        draw_change(STRONG, epoch=1, index=6),
        draw_change(STRONG, epoch=1, index=5, view=1),
        draw_change(replace(STRONG, seed=1), epoch=1, index=5),
    ]
    assert len({first, *others}) == 5


def test_changes_stay_within_the_settings():
    changes = [draw_change(STRONG, epoch=1, index=index) for index in range(400)]
    reach = {
        "angle": (-10, 10),
        "right": (-0.1, 0.1),
        "down": (-0.1, 0.1),
        "zoom": (0.8, 1.2),
        "brightness": (0.7, 1.3),
        "contrast": (0.6, 1.4),
        "gamma": (math.exp(-0.5), math.exp(0.5)),
    }
    for name, (low, high) in reach.items():
        values = [getattr(change, name) for change in changes]
        assert low <= min(values) < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < max(values) <= high, name
    erased = [change.erased for change in changes if change.erased is not None]
    assert 150 < len(erased) < 250
    assert all(top + height <= 1 and left + width <= 1 for top, left, height, width in erased)
    assert draw_change(PLAIN, epoch=1, index=0) == Change()
