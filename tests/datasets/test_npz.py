import pickle

import numpy as np
import pytest
from PIL import Image

from xopt.datasets import FINDINGS, load_images, open_source
from xopt.runtime import Preprocessing
from xopt.runtime.errors import DataError

SMALL = Preprocessing.square(16, 16)


def write(path, labels, *, images=None, splits=("train", "val"), **more):
    labels = np.asarray(labels)
    random = np.random.default_rng(0)
    if images is None:
        images = random.integers(0, 256, (len(labels), 12, 10), dtype=np.uint8)
    arrays = {f"{s}_images": images for s in splits} | {f"{s}_labels": labels for s in splits}
    np.savez_compressed(path, **arrays | more)
    return path


@pytest.mark.parametrize(
    ("name", "labels", "classes", "task", "columns"),
    [
        ("pneumonia28.npz", [[0], [1]], ("pneumonia",), "binary", [[0], [1]]),
        ("hands.npz", [0, 1], ("positive",), "binary", [[0], [1]]),
        ("hands.npz", [[2], [0]], ("class 0", "class 1", "class 2"), "multi-class", [[0, 0, 1], [1, 0, 0]]),
        ("two.npz", [[1, 0], [1, 1]], ("class 0", "class 1"), "multi-label", [[1, 0], [1, 1]]),
        ("chestmnist.npz", np.eye(14, dtype=int)[:2], FINDINGS, "multi-label", np.eye(14, dtype=int)[:2]),
    ],
)
def test_labels_say_what_the_task_is(tmp_path, name, labels, classes, task, columns):
    dataset = open_source(write(tmp_path / name, labels))
    assert dataset.classes == classes
    assert dataset.task == task
    assert list(dataset.splits) == ["train", "val"]
    np.testing.assert_array_equal(dataset.split("val").labels_NC, columns)
    assert dataset.split("val").labels_NC.dtype == np.uint8


def test_a_file_beside_it_names_the_classes(tmp_path):
    file = write(tmp_path / "hands.npz", [[2], [0]])
    (tmp_path / "hands.classes.txt").write_text("left\nright\nboth\n")
    assert open_source(file).classes == ("left", "right", "both")
    (tmp_path / "hands.classes.txt").write_text("left\nright\n")
    with pytest.raises(DataError, match="names 2 classes, the labels of hands"):
        open_source(file)


def test_images_come_out_of_the_array(tmp_path):
    dataset = open_source(write(tmp_path / "a.npz", [[0], [1], [1]]))
    split = dataset.split("train")
    with np.load(tmp_path / "a.npz") as archive:
        expected = archive["train_images"]
    np.testing.assert_array_equal(split.source(1), expected[1])
    np.testing.assert_array_equal(split.select([2, 0]).source(0), expected[2])
    resized = load_images(split, SMALL)
    wanted = Image.fromarray(expected[2]).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized[2], np.asarray(wanted))
    assert not split.patients_known
    with pytest.raises(DataError, match="no image train000000"):
        split.path(0)


def test_images_of_the_right_size_are_not_copied(tmp_path):
    images = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(3, 16, 16)
    split = open_source(write(tmp_path / "a.npz", [[0], [1], [1]], images=images)).split("train")
    loaded = load_images(split, SMALL)
    np.testing.assert_array_equal(loaded, images)
    assert loaded.base is load_images(split.select([1, 2]), SMALL).base
    np.testing.assert_array_equal(load_images(split.select([2, 0]), SMALL), images[[2, 0]])


def test_colour_is_weighed_to_grey_as_pillow_does(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)
    split = open_source(write(tmp_path / "a.npz", [[0], [1], [1], [0]], images=images)).split("val")
    for index in range(4):
        grey = Image.fromarray(images[index]).convert("L")
        np.testing.assert_array_equal(split.source(index), np.asarray(grey))


def test_another_process_reads_the_file_itself(tmp_path):
    images = np.zeros((2, 300, 300), dtype=np.uint8)
    split = open_source(write(tmp_path / "a.npz", [[0], [1]], images=images)).split("val")
    split.source(0)
    sent = pickle.dumps(split)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).source(1), images[1])


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ([[0], [-1]], {}, r"must be in 0\.\.999 with 1 columns, found -1\.\.0"),
        ([[0, 2], [1, 0]], {}, r"must be in 0\.\.1 with 2 columns, found 0\.\.2"),
        ([[0.0], [1.0]], {}, "must be whole numbers"),
        ([[0], [1]], {"train_images": np.zeros((3, 4, 4), np.uint8)}, r"\(3, 1\) or \(3, C\), found int64"),
        ([[0], [1]], {"val_images": np.zeros((2, 4, 4), float)}, "val_images must be uint8"),
        ([[0], [1]], {"val_images": np.zeros((2, 4, 4, 2), np.uint8)}, "val_images must be uint8"),
        ([[0], [1]], {"val_labels": np.zeros((2, 3), int)}, "same number of label columns"),
    ],
)
def test_arrays_laid_out_otherwise_are_refused(tmp_path, labels, more, message):
    with pytest.raises(DataError, match=message):
        open_source(write(tmp_path / "a.npz", labels, **more))


def test_a_file_without_splits_says_what_it_holds(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(DataError, match=r"no train_images with train_labels .*found: x"):
        open_source(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_one_error(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read .*a\.npz as an \.npz file"):
        open_source(tmp_path / "a.npz")


def test_pixels_damaged_after_the_labels_are_one_error_when_they_are_needed(tmp_path):
    file = write(tmp_path / "a.npz", [[0], [1]])
    split = open_source(file).split("train")
    content = bytearray(file.read_bytes())
    where = content.index(b"train_images.npy") + 80
    content[where : where + 20] = bytes(20)
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot read train_images of"):
        load_images(split, SMALL)


def test_objects_are_never_unpickled(tmp_path):
    file = write(tmp_path / "a.npz", [[0], [1]], train_labels=np.array([[{}], [1]], dtype=object))
    with pytest.raises(DataError, match="whole numbers"):
        open_source(file)


@pytest.mark.shared
def test_the_paediatric_set_reads_as_one_class(shared):
    dataset = open_source(shared / "data/pneumonia28.npz")
    assert dataset.classes == ("pneumonia",)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 3882,
        "val": 524,
        "test": 624,
    }
    assert load_images(dataset.split("test"), Preprocessing.square(28, 28)).shape == (624, 28, 28)
