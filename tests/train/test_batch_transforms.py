"""What training sees: crops where nothing moves, views of the whole image where something does."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.train.augmentation import change_grey, draw_changes  # noqa: E402
from xopt.train.batch_transforms import training_views  # noqa: E402
from xopt.train.inputs import cut_windows, shrink, to_grey, training_windows  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402
from xopt.train.warping import warp  # noqa: E402

CPU = torch.device("cpu")
PLAIN = Recipe(architecture="resnet18", epochs=4, learning_rate=1e-3, size=40, crop=32)
MOVED = replace(PLAIN, rotation=10, translation=0.1, scale=0.2)
STRONG = replace(MOVED, contrast=0.3, gamma=0.2, erasing=0.5)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, size=(5, 40, 40), dtype=np.uint8)


def see(images, recipe, indices=(2, 0), epoch=3):
    return training_views(images, np.array(indices), recipe, epoch=epoch, device=CPU)


def test_without_a_move_the_very_pixels_are_seen(images):
    indices = np.array([2, 0])
    plans = [training_windows(PLAIN, epoch=3, index=int(index)) for index in indices]
    grey = to_grey(cut_windows(images, indices, plans, 32), CPU)
    assert torch.equal(see(images, PLAIN), grey)
    exposed = replace(PLAIN, contrast=0.3)
    changes = draw_changes(exposed, indices, epoch=3)
    assert torch.equal(see(images, exposed), change_grey(grey, changes))


TEN = replace(STRONG, ten_crop="logits", random_crop=False, mirror=False)


@pytest.mark.parametrize(("recipe", "views"), [(STRONG, 1), (TEN, 10)])
@pytest.mark.parametrize("border", ["black", "edge"])
def test_a_moved_view_is_taken_out_of_its_whole_image(images, recipe, views, border):
    recipe = replace(recipe, border=border)
    indices = np.array([2, 0])
    changes = draw_changes(recipe, indices, epoch=3, views=views)
    seen = see(images, recipe)
    assert seen.shape == (2 * views, 1, 32, 32)
    for place, index in enumerate(indices):
        for number, window in enumerate(training_windows(recipe, epoch=3, index=int(index))):
            view = place * views + number
            grey = to_grey(torch.from_numpy(images[[index]]), CPU)
            moved = warp(grey, [window], [changes[view].move], crop=32, border=border)
            expected = change_grey(moved, [changes[view]])
            torch.testing.assert_close(seen[[view]], expected, atol=1e-6, rtol=0)


def test_an_image_is_seen_alike_in_every_batch_and_order(images):
    whole = see(images, STRONG, indices=range(5))
    torch.testing.assert_close(see(images, STRONG, indices=(4, 1)), whole[[4, 1]], atol=1e-6, rtol=0)
    assert not torch.equal(see(images, STRONG, indices=(4, 1), epoch=2), whole[[4, 1]])


def test_views_shrink_to_the_epoch_s_side(images):
    recipe = replace(MOVED, sizes=(16, 32))
    assert see(images, recipe, epoch=1).shape[-1] == 16
    full = see(images, replace(recipe, sizes=()), epoch=1)
    assert torch.equal(see(images, recipe, epoch=1), shrink(full, 16))
    assert see(images, recipe, epoch=4).shape[-1] == 32
