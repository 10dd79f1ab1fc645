"""Augmentation: torchvision's geometry and grey values, the same numbers whatever else is in the batch."""

import math
from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torchvision.transforms.v2 import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import functional as vision  # noqa: E402

from xopt.runtime.images.crops import Window, take, windows  # noqa: E402
from xopt.train.augmentation import (  # noqa: E402
    Change,
    Move,
    augment_batch,
    change_grey,
    draw_change,
    draw_changes,
    warp,
)
from xopt.train.inputs import cut_windows, shrink, to_grey, training_windows  # noqa: E402
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


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
def test_brightness_contrast_and_gamma_are_torchvision_s(batch, factor):
    brighter = change_grey(batch, [Change(brightness=factor)] * len(batch))
    torch.testing.assert_close(brighter, vision.adjust_brightness(batch, factor))
    starker = change_grey(batch, [Change(contrast=factor)] * len(batch))
    torch.testing.assert_close(starker, vision.adjust_contrast(batch, factor))
    bent = change_grey(batch, [Change(gamma=factor)] * len(batch))
    torch.testing.assert_close(bent, vision.adjust_gamma(batch, factor))


def test_a_rectangle_is_erased_and_nothing_else(batch):
    changes = [Change() for _ in batch]
    changes[2] = Change(erased=(0.25, 0.5, 0.25, 0.125))
    found = change_grey(batch, changes)
    assert torch.equal(found[[0, 1, 3, 4, 5]], batch[[0, 1, 3, 4, 5]])
    different = torch.nonzero(found[2, 0] != batch[2, 0])
    # A quarter and an eighth of 33 pixels, from a quarter and a half on.
    assert different.amin(dim=0).tolist() == [8, 16]
    assert different.amax(dim=0).tolist() == [15, 19]
    assert found[2, 0, 8, 16] == pytest.approx(batch[2].mean().item())


def test_no_change_returns_the_very_batch(batch):
    assert change_grey(batch, [Change()] * len(batch)) is batch
    assert draw_changes(PLAIN, np.arange(3), epoch=1, crops=2) == [Change()] * 6


@pytest.mark.parametrize(
    "setting", ["rotation", "translation", "scale", "brightness", "contrast", "gamma", "erasing"]
)
def test_every_setting_changes_something(setting):
    recipe = replace(PLAIN, **{setting: 0.9})
    assert Change() not in draw_changes(recipe, np.arange(2), epoch=1)


def test_an_image_is_changed_alike_in_every_batch_and_order():
    all_six = draw_changes(STRONG, np.arange(6), epoch=3, crops=2)
    assert draw_changes(STRONG, np.array([4, 1]), epoch=3, crops=2) == [*all_six[8:10], *all_six[2:4]]


def test_changes_depend_on_seed_epoch_image_and_crop():
    first = draw_change(STRONG, epoch=1, index=5)
    assert first == draw_change(STRONG, epoch=1, index=5)
    others = [
        draw_change(STRONG, epoch=2, index=5),
        draw_change(STRONG, epoch=1, index=6),
        draw_change(STRONG, epoch=1, index=5, crop=1),
        draw_change(replace(STRONG, seed=1), epoch=1, index=5),
    ]
    assert len({first, *others}) == 5


def test_changes_stay_within_the_settings():
    changes = [draw_change(STRONG, epoch=1, index=index) for index in range(400)]
    reach = {
        "move.angle": (-10, 10),
        "move.right": (-0.1, 0.1),
        "move.down": (-0.1, 0.1),
        "move.zoom": (0.8, 1.2),
        "brightness": (0.7, 1.3),
        "contrast": (0.6, 1.4),
        "gamma": (math.exp(-0.5), math.exp(0.5)),
    }
    for name, (low, high) in reach.items():
        values = [attrgetter(name)(change) for change in changes]
        assert low <= min(values) < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < max(values) <= high, name
    erased = [change.erased for change in changes if change.erased is not None]
    assert 150 < len(erased) < 250
    assert all(top + height <= 1 and left + width <= 1 for top, left, height, width in erased)
    assert draw_change(PLAIN, epoch=1, index=0) == Change()


TOP_LEFT = Window(top=0, left=0)
MOVES = [
    Move(angle=17),
    Move(angle=-90),
    Move(zoom=1.3),
    Move(zoom=0.8),
    Move(right=3, down=-5),
    Move(angle=12, right=4, down=2, zoom=1.1),
]
"""Moves to the right and down in pixels, as torchvision counts them."""


def warp_all(batch, move, window=TOP_LEFT, crop=33, border="black"):
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


CPU = torch.device("cpu")
SMALL = Recipe(architecture="resnet18", epochs=4, learning_rate=1e-3, size=40, crop=32)
MOVED = replace(SMALL, rotation=10, translation=0.1, scale=0.2)
VARIED = replace(MOVED, contrast=0.3, gamma=0.2, erasing=0.5)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, size=(5, 40, 40), dtype=np.uint8)


def see(images, recipe, indices=(2, 0), epoch=3):
    return augment_batch(images, np.array(indices), recipe, epoch=epoch, device=CPU)


def test_without_a_move_the_very_pixels_are_seen(images):
    indices = np.array([2, 0])
    placed = [training_windows(SMALL, epoch=3, index=int(index)) for index in indices]
    grey = to_grey(cut_windows(images, indices, placed, 32), CPU)
    assert torch.equal(see(images, SMALL), grey)
    exposed = replace(SMALL, contrast=0.3)
    changes = draw_changes(exposed, indices, epoch=3)
    assert torch.equal(see(images, exposed), change_grey(grey, changes))


TEN = replace(VARIED, ten_crop="logits", random_crop=False, mirror=False)


@pytest.mark.parametrize(("recipe", "crops"), [(VARIED, 1), (TEN, 10)])
@pytest.mark.parametrize("border", ["black", "edge"])
def test_a_moved_crop_is_taken_out_of_its_whole_image(images, recipe, crops, border):
    recipe = replace(recipe, border=border)
    indices = np.array([2, 0])
    changes = draw_changes(recipe, indices, epoch=3, crops=crops)
    seen = see(images, recipe)
    assert seen.shape == (2 * crops, 1, 32, 32)
    for place, index in enumerate(indices):
        for number, window in enumerate(training_windows(recipe, epoch=3, index=int(index))):
            crop = place * crops + number
            grey = to_grey(torch.from_numpy(images[[index]]), CPU)
            moved = warp(grey, [window], [changes[crop].move], crop=32, border=border)
            expected = change_grey(moved, [changes[crop]])
            torch.testing.assert_close(seen[[crop]], expected, atol=1e-6, rtol=0)


def test_an_image_is_seen_alike_in_every_batch_and_order(images):
    all_five = see(images, VARIED, indices=range(5))
    torch.testing.assert_close(see(images, VARIED, indices=(4, 1)), all_five[[4, 1]], atol=1e-6, rtol=0)
    assert not torch.equal(see(images, VARIED, indices=(4, 1), epoch=2), all_five[[4, 1]])


def test_crops_shrink_to_the_epoch_s_side(images):
    recipe = replace(MOVED, sizes=(16, 32))
    assert see(images, recipe, epoch=1).shape[-1] == 16
    full = see(images, replace(recipe, sizes=()), epoch=1)
    assert torch.equal(see(images, recipe, epoch=1), shrink(full, 16))
    assert see(images, recipe, epoch=4).shape[-1] == 32
