import pytest
from PIL import Image

from xopt.datasets import load_images, open_source
from xopt.runtime import Preprocessing
from xopt.runtime.errors import DataError


def grow(root, *names):
    for number, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * number).save(file)


def test_of_two_classes_the_one_that_is_not_normal_is_looked_for(tmp_path):
    grow(
        tmp_path,
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_bacteria_2.JPEG",
        "test/NORMAL/a.png",
        "test/PNEUMONIA/b.png",
        "val/PNEUMONIA/c.png",
    )
    (tmp_path / "train/NORMAL/.DS_Store").touch()
    (tmp_path / "train/NORMAL/._IM-0115-0001.jpeg").touch()
    dataset = open_source(tmp_path)
    assert dataset.classes == ("PNEUMONIA",)
    assert dataset.task == "binary"
    assert {name: split.labels_NC[:, 0].tolist() for name, split in dataset.splits.items()} == {
        "train": [0, 1, 1],
        "val": [1],
        "test": [0, 1],
    }
    assert dataset.split("train").images[0] == "train/NORMAL/IM-0115-0001.jpeg"
    images = load_images(dataset.split("train"), Preprocessing.square(8, 8))
    assert [image[0, 0] for image in images] == [0, 10, 20]


def test_other_classes_exclude_each_other(tmp_path):
    grow(tmp_path, "covid/a.png", "normal/b.png", "viral/deep/c.png")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("covid", "normal", "viral")
    assert dataset.task == "multi-class"
    assert dataset.split("all").labels_NC.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_two_classes_without_a_normal_one_are_multi_class(tmp_path):
    grow(tmp_path, "left/a.png", "right/b.png")
    assert open_source(tmp_path).task == "multi-class"


def test_a_single_folder_of_images_is_no_source(tmp_path):
    grow(tmp_path, "images/a.png")
    with pytest.raises(DataError, match="in no format known here"):
        open_source(tmp_path)
    with pytest.raises(DataError, match=r"two or more classes, found: .+images"):
        open_source(tmp_path, "tree")
