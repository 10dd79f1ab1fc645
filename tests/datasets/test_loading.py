import numpy as np
import pytest
from PIL import Image

from xopt.datasets import lists, load_images
from xopt.runtime.errors import DataError, InputError
from xopt.runtime.images import image
from xopt.runtime.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing.square(32, 28)


@pytest.fixture
def split(tmp_path):
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for i in range(9):
        pixels = random.integers(0, 256, size=(40 + i, 50), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    (tmp_path / "classes.txt").write_text("A\n")
    (tmp_path / "train_list.txt").write_text("".join(f"{i}.png {i % 2}\n" for i in range(9)))
    return lists.read(tmp_path).split("train")


@pytest.mark.parametrize("workers", [None, 1, 4])
def test_images_come_in_the_order_of_the_split_whatever_the_number_of_workers(split, workers):
    loaded = load_images(split, PREPROCESSING, workers=workers)
    assert loaded.shape == (9, 32, 32)
    assert loaded.dtype == np.uint8
    for i in range(9):
        np.testing.assert_array_equal(loaded[i], image.prepare(split.path(i), PREPROCESSING).image_HW)


def test_a_damaged_image_is_named_in_one_error(split):
    split.path(4).write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"4\.png"):
        load_images(split, PREPROCESSING)


def test_an_absent_image_is_named_in_one_error(split):
    split.path(7).unlink()
    with pytest.raises(DataError, match=r"no image 7\.png"):
        load_images(split, PREPROCESSING)
