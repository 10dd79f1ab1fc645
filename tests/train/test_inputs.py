from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.runtime.images.crops import take, windows  # noqa: E402
from xopt.train.inputs import (  # noqa: E402
    cut_middles,
    cut_windows,
    normalise,
    place_crop,
    shrink,
    training_windows,
)
from xopt.train.recipe import Recipe  # noqa: E402

TINY = Recipe(
    architecture="resnet18",
    epochs=1,
    learning_rate=1e-3,
    size=40,
    crop=32,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, size=(3, 40, 40), dtype=np.uint8)


def cut_training(images, indices, recipe, *, epoch):
    placed = [training_windows(recipe, epoch=epoch, index=int(index)) for index in indices]
    return cut_windows(images, indices, placed, recipe.crop).numpy()


def test_a_crop_depends_on_seed_epoch_and_image_alone():
    places = {place_crop(TINY, epoch=epoch, index=index) for epoch in range(6) for index in range(50)}
    assert place_crop(TINY, epoch=1, index=7) == place_crop(TINY, epoch=1, index=7)
    assert {place.top for place in places} == set(range(9))
    assert {place.left for place in places} == set(range(9))
    assert {place.mirrored for place in places} == {True, False}
    seeded = [place_crop(replace(TINY, seed=1), epoch=1, index=index) for index in range(20)]
    assert seeded != [place_crop(TINY, epoch=1, index=index) for index in range(20)]


def test_without_augmentation_the_crop_is_the_centre_one():
    plain = replace(TINY, random_crop=False, mirror=False)
    assert place_crop(plain, epoch=3, index=1) == TINY.preprocessing().windows()[0]


def test_validation_sees_the_centre_and_training_its_own_window(images):
    indices = np.array([2, 0])
    centre = cut_middles(images, indices, TINY).numpy()
    np.testing.assert_array_equal(centre, images[indices, 4:36, 4:36])
    trained = cut_training(images, indices, TINY, epoch=2)
    for crop, index in zip(trained, indices, strict=True):
        np.testing.assert_array_equal(
            crop, take(images[index], place_crop(TINY, epoch=2, index=int(index)), 32)
        )


def test_ten_crop_training_cuts_the_ten_windows_of_the_plan(images):
    recipe = replace(TINY, ten_crop="logits", random_crop=False, mirror=False)
    crops = cut_training(images, np.array([1, 2]), recipe, epoch=1)
    assert crops.shape == (20, 32, 32)
    for crop, window in zip(crops[10:], windows("ten", size=40, crop=32), strict=True):
        np.testing.assert_array_equal(crop, take(images[2], window, 32))


def test_shrinking_counts_every_pixel(images):
    grey = torch.from_numpy(images).to(torch.float32).div(255).unsqueeze(1)
    assert shrink(grey, 40) is grey
    small = shrink(grey, 10)
    assert small.shape == (3, 1, 10, 10)
    torch.testing.assert_close(small.mean(dim=(1, 2, 3)), grey.mean(dim=(1, 2, 3)), atol=0.01, rtol=0)
    for place in ((0, 0, 20, 20), (0, 0, 21, 23)):
        spot = torch.zeros(1, 1, 40, 40)
        spot[place] = 1.0
        assert shrink(spot, 10).sum() == pytest.approx(1 / 16, rel=0.1), "no pixel falls between the others"


def test_normalising_scales_shifts_and_copies_the_grey_channel():
    preprocessing = replace(TINY, channels=3, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25)).preprocessing()
    batch = normalise(torch.tensor([[[0, 255]]], dtype=torch.uint8), preprocessing)
    assert batch.shape == (1, 3, 1, 2)
    assert batch[0, :, 0].tolist() == [[0, 1], [-1, 1], [-4, 0]]
