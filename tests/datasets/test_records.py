from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Dataset, Split
from xopt.datasets.records import patient_of
from xopt.runtime.errors import DataError


def make_split(folder=Path("nowhere"), images=("00000001_000.png", "00000001_001.png", "b.png"), labels=None):
    labels = np.array([[0, 1], [1, 1], [0, 0]], dtype=np.uint8) if labels is None else labels
    patients = tuple(map(patient_of, images))
    return Split(
        name="val", images=images, labels_NC=labels, patients=patients, folders=(folder / "images", folder)
    )


@pytest.mark.parametrize(
    ("image", "patient"),
    [
        ("00000061_012.jpg", "00000061"),
        ("deep/er/00000061_012.png", "00000061"),
        ("phantom00012_01.png", "phantom00012"),
        ("other.png", "other.png"),
        ("2024_01.png", "2024_01.png"),
        ("00000061_012_left.png", "00000061_012_left.png"),
        ("100000061_012.png", "100000061_012.png"),
        ("a/other.png", "a/other.png"),
    ],
)
def test_a_patient_is_read_from_the_image_name(image, patient):
    assert patient_of(image) == patient


def test_a_split_says_whether_patients_are_known():
    assert make_split().patients_known
    assert not make_split(images=("a.png", "b.png", "c.png")).patients_known


def test_an_image_is_found_in_the_first_folder_that_has_it(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "b.png").touch()
    assert make_split(tmp_path).path(2) == tmp_path / "b.png"
    (tmp_path / "images" / "b.png").touch()
    assert make_split(tmp_path).path(2) == tmp_path / "images" / "b.png"


def test_an_absent_image_is_named_with_the_folders_looked_in(tmp_path):
    with pytest.raises(DataError, match=r"no image b\.png of split val") as caught:
        make_split(tmp_path).path(2)
    assert str(tmp_path / "images") in str(caught.value)


def test_selecting_keeps_the_given_order_and_all_that_belongs_to_an_image():
    chosen = make_split().select(np.array([2, 0]))
    assert chosen.name == "val"
    assert chosen.images == ("b.png", "00000001_000.png")
    assert chosen.patients == ("b.png", "00000001")
    assert chosen.labels_NC.tolist() == [[0, 0], [0, 1]]
    assert len(chosen) == 2
    assert len(chosen.select([])) == 0


def test_the_digest_changes_with_names_labels_and_order_alone():
    split = make_split()
    assert split.digest == make_split(Path("elsewhere")).digest
    assert split.digest == split.select([0, 1, 2]).digest
    others = [split.select([1, 0, 2]), split.select([0, 1]), make_split(images=("x.png", "y.png", "b.png"))]
    changed = make_split()
    changed.labels_NC[0, 0] = 1
    digests = {split.digest, changed.digest, *(other.digest for other in others)}
    assert len(digests) == 5


def test_an_unknown_split_is_refused_with_those_there_are():
    dataset = Dataset(name="d", root=Path("d"), classes=("A", "B"), splits={"val": make_split()})
    assert dataset.split("val").name == "val"
    with pytest.raises(DataError, match="no split 'test' in d; there is: val"):
        dataset.split("test")


@pytest.mark.parametrize("labels", [np.zeros((3, 2)), np.zeros(3, np.uint8), np.zeros((2, 2), np.uint8)])
def test_labels_that_do_not_fit_the_images_are_a_programming_error(labels):
    with pytest.raises(ValueError, match=r"labels|label rows"):
        Split(name="x", images=("a", "b", "c"), labels_NC=labels, patients=("a", "b", "c"), folders=())


def test_classes_that_do_not_fit_the_labels_are_a_programming_error():
    with pytest.raises(ValueError, match="2 label columns for 1 classes"):
        Dataset(name="d", root=Path("d"), classes=("A",), splits={"val": make_split()})


@pytest.mark.parametrize(
    ("count", "positions"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (99, list(range(10)))]
)
def test_a_choice_is_spread_over_the_list_in_its_order(count, positions):
    split = make_split(images=tuple(f"{i}.png" for i in range(10)), labels=np.zeros((10, 2), dtype=np.uint8))
    assert split.spread(count).images == tuple(f"{i}.png" for i in positions)
