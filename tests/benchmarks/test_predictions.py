from pathlib import Path

import numpy as np
import pytest

from xopt.benchmarks.predictions import align, read_predictions
from xopt.datasets import Dataset, Split
from xopt.runtime.errors import DataError

CLASSES = ("Edema", "Mass")
IMAGES = ("a.png", "b.png", "c.png")


def write(tmp_path, text, *, encoding="utf-8"):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding=encoding)
    return path


def split_of(images=IMAGES, name="test"):
    labels = np.zeros((len(images), 2), dtype=np.uint8)
    return Split(name=name, images=tuple(images), labels_NC=labels, patients=tuple(images), folders=())


def dataset_of(*splits):
    return Dataset(name="d", root=Path("d"), classes=CLASSES, splits={s.name: s for s in splits})


def aligned(tmp_path, text, images=IMAGES, others=()):
    split = split_of(images)
    return align(read_predictions(write(tmp_path, text), CLASSES), dataset_of(split, *others), split)


@pytest.mark.parametrize(
    "header",
    ["image,Edema,Mass", "image,prob_Edema,prob_Mass", "image,prob_Edema,Mass", " image , Edema , Mass "],
)
def test_columns_are_found_with_and_without_the_prefix(tmp_path, header):
    read = read_predictions(write(tmp_path, f"{header}\na.png,0.25,1\n"), CLASSES)
    assert read.images == ("a.png",)
    assert read.probabilities_NC.tolist() == [[0.25, 1.0]]


def test_the_order_of_columns_is_free(tmp_path):
    read = read_predictions(write(tmp_path, "Mass,patient,image,Edema\n0.9,7,a.png,0.1\n"), CLASSES)
    assert read.probabilities_NC.tolist() == [[0.1, 0.9]]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = write(tmp_path, "image,Edema,Mass\r\na.png,0.1,0.2\r\n", encoding="utf-8-sig")
    assert read_predictions(path, CLASSES).images == ("a.png",)


def test_rows_come_into_the_order_of_the_split(tmp_path):
    text = "image,Edema,Mass\nc.png,0.3,0\na.png,0.1,0\nb.png,0.2,0\n"
    assert aligned(tmp_path, text).probabilities_NC[:, 0].tolist() == [0.1, 0.2, 0.3]


def test_a_path_before_the_name_does_not_matter(tmp_path):
    text = "image,Edema,Mass\nimages/a.png,0.1,0\n/data/x/b.png,0.2,0\nc.png,0.3,0\n"
    assert aligned(tmp_path, text).probabilities_NC[:, 0].tolist() == [0.1, 0.2, 0.3]


def test_a_name_that_could_be_two_files_is_not_guessed(tmp_path):
    text = "image,Edema,Mass\nx/a.png,0.1,0\ny/a.png,0.2,0\n"
    with pytest.raises(DataError, match=r"no prediction for 1 of the 1 images of split test: 'a\.png'"):
        aligned(tmp_path, text, images=("a.png",))


def test_the_prediction_of_another_split_s_image_of_the_same_name_is_not_taken(tmp_path):
    """As in trees of class folders, which number their files from 1 in every part."""
    text = "image,Edema,Mass\ntrain/1.png,0.1,0.2\n"
    with pytest.raises(DataError, match=r"no prediction for 1 of the 1 images of split test: 'test/1\.png'"):
        aligned(tmp_path, text, images=("test/1.png",), others=[split_of(("train/1.png",), name="train")])


def test_folders_tell_images_of_the_same_name_apart(tmp_path):
    text = "image,Edema,Mass\ny/a.png,0.2,0\nx/a.png,0.1,0\n"
    values = aligned(tmp_path, text, images=("x/a.png", "y/a.png")).probabilities_NC
    assert values[:, 0].tolist() == [0.1, 0.2]


def test_images_of_other_splits_are_left_out_and_counted(tmp_path):
    text = "image,Edema,Mass\na.png,0.1,0\nb.png,0.2,0\nc.png,0.3,0\nt1.png,0,0\nt2.png,0,0\n"
    found = aligned(tmp_path, text, others=[split_of(("t1.png", "t2.png"), "train")])
    assert len(found.probabilities_NC) == 3
    assert found.left_out == {"train": 2}


HEADER = "image,Edema,Mass\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; a header line is needed"),
        ("\n", "is empty; a header line is needed"),
        (HEADER, "holds a header and no image"),
        ("image,Edema\na.png,1\n", "lacks column 'Mass'; it has image, Edema"),
        ("Edema,Mass\n0,1\n", "lacks column 'image'"),
        ("image;Edema;Mass\na.png;0;1\n", "column 'image;Edema;Mass', no class of the data"),
        (
            "image,Edema,Mass,Masss\na.png,0,1,1\n",
            "column 'Masss', no class of the data; known: image, Edema, Mass",
        ),
        ("image,Edema,Mass,prob_Mass\na.png,0,1,1\n", "column 'Mass' twice"),
        ("image,image,Edema,Mass\na.png,b.png,1,1\n", "column 'image' twice"),
        (
            HEADER + "a.png,0.1,0.2\na.png,0.1,0.2\n",
            r"image 'a\.png' more than once .*on lines 2, 3",
        ),
        (HEADER + "a.png,0.1,x\n", "line 2: Mass is 'x', not a probability"),
        (HEADER + "a.png,0.1,0.2\nb.png,,0.2\n", "line 3: Edema is '', not a probability"),
        (HEADER + "a.png,nan,0.2\n", "line 2: Edema is 'nan', not a probability"),
        (HEADER + "a.png,inf,0.2\n", "line 2: Edema is 'inf', not a probability"),
        (HEADER + "a.png,1.01,0.2\n", "line 2: Edema is '1.01', not a probability"),
        (HEADER + "a.png,-0.1,0.2\n", "line 2: Edema is '-0.1', not a probability"),
        (HEADER + "a.png,0.1\n", "line 2: 2 fields, the header has 3"),
        (HEADER + "a.png,0.1,0.2,0.3\n", "line 2: 4 fields, the header has 3"),
        (HEADER + ",0.1,0.2\n", "line 2: no image name"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as error:
        read_predictions(write(tmp_path, text), CLASSES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEADER + "a.png,0,0\n",
            r"no prediction for 2 of the 3 images of split test: 'b\.png', 'c\.png'; predict",
        ),
        (
            HEADER + "a.png,0,0\nb.png,0,0\nc.png,0,0\nz.png,0,0\n",
            r"1 images that are not in the data: 'z\.png'",
        ),
        (
            HEADER + "a.png,0,0\nb.png,0,0\nc.png,0,0\nimages/b.png,1,1\n",
            r"a second row for image 'images/b\.png', under another folder",
        ),
    ],
)
def test_images_that_do_not_match_are_named(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        aligned(tmp_path, text)


def test_many_missing_images_are_counted_and_a_few_named(tmp_path):
    images = tuple(f"{i}.png" for i in range(50))
    with pytest.raises(DataError, match=r"for 49 of the 50 .*'1\.png', '2\.png', '3\.png' and 46 more"):
        aligned(tmp_path, HEADER + "0.png,0,0\n", images=images)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00image", b"image,Edema,Mass\n\xff,0,0\n"])
def test_a_file_that_is_no_utf8_is_refused(tmp_path, content):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(DataError, match="cannot read predictions"):
        read_predictions(tmp_path / "p.csv", CLASSES)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read predictions .*none\.csv: No such file"):
        read_predictions(tmp_path / "none.csv", CLASSES)
