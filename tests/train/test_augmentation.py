"""What happens to an image: torchvision's grey values, the same numbers whatever else is in the batch."""

import math
from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torchvision.transforms.v2 import functional as vision  # noqa: E402

from xopt.train.augmentation import Change, change_grey, draw_change, draw_changes  # noqa: E402
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
    assert draw_changes(PLAIN, np.arange(3), epoch=1, views=2) == [Change()] * 6


@pytest.mark.parametrize(
    "setting", ["rotation", "translation", "scale", "brightness", "contrast", "gamma", "erasing"]
)
def test_every_setting_changes_something(setting):
    recipe = replace(PLAIN, **{setting: 0.9})
    assert Change() not in draw_changes(recipe, np.arange(2), epoch=1)


def test_an_image_is_changed_alike_in_every_batch_and_order():
    whole = draw_changes(STRONG, np.arange(6), epoch=3, views=2)
    assert draw_changes(STRONG, np.array([4, 1]), epoch=3, views=2) == [*whole[8:10], *whole[2:4]]


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
