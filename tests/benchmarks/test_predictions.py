from pathlib import Path

import numpy as np
import pytest

from xopt.benchmarks.prediction_columns import check_ignored
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
    [
        "image,Edema,Mass",
        " image , Edema , Mass ",
        "image,prob_Edema,prob_Mass",
        "image,prob_Edema,Mass",
        "image,Edema_pred,Mass_pred",
        "image,Edema probability,MASS_SCORE",
        "image,EDEMA,mass",
    ],
)
def test_columns_of_classes_are_told_by_their_names(tmp_path, header):
    read = read_predictions(write(tmp_path, f"{header}\na.png,0.25,1\n"), CLASSES)
    assert read.images == ("a.png",)
    assert read.probabilities_NC.tolist() == [[0.25, 1.0]]
    assert read.columns.notes("p.csv") == ()


@pytest.mark.parametrize("column", ["Pleural_Thickening", "Pleural Thickening", "pleural-thickening"])
@pytest.mark.parametrize("name", ["Pleural_Thickening", "Pleural Thickening", "PleuralThickening"])
def test_spaces_underscores_and_case_of_a_class_do_not_matter(tmp_path, name, column):
    read = read_predictions(write(tmp_path, f"image,prob_{column}\na.png,0.5\n"), [name])
    assert read.columns.classes == (f"prob_{column}",)


def test_classes_that_differ_in_case_alone_are_told_by_their_exact_names(tmp_path):
    read = read_predictions(write(tmp_path, "image,b,prob_B\na.png,0.1,0.2\n"), ["B", "b"])
    assert read.probabilities_NC.tolist() == [[0.2, 0.1]]
    with pytest.raises(DataError, match="column 'prob b', no class"):
        read_predictions(write(tmp_path, "image,b,prob b\na.png,0.1,0.2\n"), ["B", "b"])


@pytest.mark.parametrize(
    "column",
    [
        *("Image Index", "image_index", "Image_Index", "ImageIndex", "Path", "path", "filename", "file_name"),
        *("FileName", "file", "id", "ID", "image_id", "dicom_id", "image_name", "Image Path"),
    ],
)
def test_the_column_of_images_may_be_called_as_others_call_it(tmp_path, column):
    read = read_predictions(write(tmp_path, f"Edema,{column},Mass\n0.1,a.png,0.2\n"), CLASSES)
    assert read.images == ("a.png",)
    assert read.columns.notes("p.csv") == (f"p.csv: images are named by column {column!r}",)
    assert read.columns.to_json() == {"image_column": column, "columns_left_out": []}


@pytest.mark.parametrize(
    ("text", "image", "left_out"),
    [
        # pandas: the index beside a column of images, written once or twice, sorted or not.
        (",image,Edema,Mass\n0,a,0,0\n1,b,0,0\n", "image", ["Unnamed: 0"]),
        ("Unnamed: 0,image,Edema,Mass\n0,a,0,0\n1,b,0,0\n", "image", ["Unnamed: 0"]),
        (",Unnamed: 0,Path,Edema,Mass\n0,7,a,0,0\n1,3,b,0,0\n", "Path", ["Unnamed: 0.1", "Unnamed: 0"]),
        # R counts from one.
        ('"","image","Edema","Mass"\n"1","a",0,0\n"2","b",0,0\n', "image", ["Unnamed: 0"]),
        # The index is the image.
        (",Edema,Mass\na,0,0\nb,0,0\n", "Unnamed: 0", []),
        ("Unnamed: 0,Edema,Mass\na,0,0\nb,0,0\n", "Unnamed: 0", []),
        (",Edema,Mass\n00012,0,0\n00007,0,0\n", "Unnamed: 0", []),
        (",Edema,Mass,\na,0,0,\nb,0,0,\n", "Unnamed: 0", ["Unnamed: 3"]),
        # A comma at the end of each line.
        ("image,Edema,Mass,\na,0,0,\nb,0,0,\n", "image", ["Unnamed: 3"]),
        # Columns that are known to be no class.
        ("Path,Sex,Age,AP/PA,Edema,Mass\na,F,60,AP,0,0\nb,M,7,PA,0,0\n", "Path", ["Sex", "Age", "AP/PA"]),
        ("image,Patient ID,Finding Labels,study,Edema,Mass\na,7,Mass,1,0,0\n", "image", None),
    ],
)
def test_what_is_left_out_and_what_names_the_images_is_told(tmp_path, text, image, left_out):
    columns = read_predictions(write(tmp_path, text), CLASSES).columns
    left_out = ["Patient ID", "Finding Labels", "study"] if left_out is None else left_out
    assert columns.to_json() == {"image_column": image, "columns_left_out": left_out}
    (note,) = columns.notes("p.csv")
    assert all(repr(name) in note for name in left_out)


@pytest.mark.parametrize(
    ("text", "ignore", "image"),
    [
        ("image,label_Edema,Edema,Mass_true,Mass\na,1,0.1,0,0.2\n", ["label_Edema", "Mass_true"], "image"),
        ("image,Edema,Mass,Edema_pred,Mass_pred\na,1,0,0.1,0.2\n", ["Edema", "Mass"], "image"),
        ("id,Path,Edema,Mass\n3,a,0.1,0.2\n", ["id"], "Path"),
        ("id,,Edema,Mass\n3,a,0.1,0.2\n", ["id"], "Unnamed: 1"),
        (",image,Edema,Mass\nx,a,0.1,0.2\n", ["Unnamed: 0"], "image"),
        ("image,Edema,Mass\na,0.1,0.2\n", ["elsewhere"], "image"),
    ],
)
def test_columns_are_left_out_on_request(tmp_path, text, ignore, image):
    read = read_predictions(write(tmp_path, text), CLASSES, ignore=ignore)
    assert read.images == ("a",)
    assert read.probabilities_NC.tolist() == [[0.1, 0.2]]
    assert read.columns.image == image


@pytest.mark.parametrize(
    ("header", "ignore", "said"),
    [
        ("image,Edema,Mass", "Mass", r"without 'Mass' \(--ignore-columns\) lacks column 'Mass'; it has"),
        ("image,Edema,Mass", "image", r"without 'image' \(--ignore-columns\) has no column of image names"),
        (",Edema,Mass", "Unnamed: 0", r"without 'Unnamed: 0' .* has no column of image names"),
    ],
)
def test_the_only_column_of_a_class_or_of_the_images_cannot_be_left_out(tmp_path, header, ignore, said):
    with pytest.raises(DataError, match=said) as error:
        read_predictions(write(tmp_path, f"{header}\na,0,0\n"), CLASSES, ignore=[ignore])
    assert "\n" not in str(error.value)


def test_a_column_to_leave_out_must_be_in_one_of_the_files(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("image,x,Edema\n")
    two.write_text("image,y,Edema\n")
    check_ignored(["x", "y"], [one, two])
    with pytest.raises(
        DataError, match=r"must name columns of \S*one\.csv, got 'y'; there is: image, x, Edema"
    ):
        check_ignored(["x", "y"], [one])


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


@pytest.mark.parametrize(
    ("row", "image"),
    [
        ("a", "a.png"),
        ("a.png", "a.jpg"),
        ("A/a.PNG", "a.jpg"),
        ("a.dcm", "x/a"),
        ("C:\\\\data\\\\a.png", "a.png"),
        ("other/a.png", "images/a.png"),
        ("1.2.840.10008", "1.2.840.10008.dcm"),
        ("CheXpert-v1.0/valid/p1/study1/view1_frontal.jpg", "valid/p1/study1/view1_frontal.jpg"),
        ("p1/study1/view1_frontal", "valid/p1/study1/view1_frontal.jpg"),
    ],
)
def test_folders_and_suffixes_do_not_matter(tmp_path, row, image):
    others = [split_of(("train/p2/study1/view1_frontal.jpg", "other.png"), "train")]
    images = (image, "valid/p3/study1/view1_frontal.jpg")
    text = f"image,Edema,Mass\nx/valid/p3/study1/view1_frontal.jpg,0.9,0\n{row},0.1,0\n"
    assert aligned(tmp_path, text, images, others).probabilities_NC[:, 0].tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("row", "images", "train"),
    [
        ("view1.jpg", ("p1/view1.jpg", "p2/view1.jpg"), ()),
        ("a", ("a.png", "a.jpg"), ()),
        ("train/1", ("test/1.png",), ("train/1.png",)),
        ("a.png", ("a.jpg",), ("a.png",)),
    ],
)
def test_a_name_that_could_be_another_image_s_is_not_matched(tmp_path, row, images, train):
    said = (
        f"no prediction for {len(images)} of the {len(images)} images .*; row {row!r} may be of other images;"
    )
    with pytest.raises(DataError, match=said):
        aligned(tmp_path, f"image,Edema,Mass\n{row},0,0\n", images, [split_of(train, "train")])


def test_of_two_splits_a_name_without_suffix_is_the_one_that_is_scored(tmp_path):
    text = "image,Edema,Mass\na,0.1,0\n"
    assert not aligned(tmp_path, text, ("a.jpg",), [split_of(("a.png",), "originals")]).left_out


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
        ("Edema,Mass\n0,1\n", "has no column of image names .*; it has Edema, Mass; call"),
        ("image;Edema;Mass\na.png;0;1\n", "has no column of image names .*; it has image;Edema;Mass;"),
        (
            "image,Edema,Mass,Masss\na.png,0,1,1\n",
            "column 'Masss', no class of the data; known: Edema, Mass; .* --ignore-columns 'Masss'",
        ),
        ("image,Edema_true,y,Edema,Mass\na.png,0,1,1,0\n", "columns 'Edema_true', 'y', .*'Edema_true,y'"),
        (
            "image,Edema,Mass,prob_Mass\na.png,0,1,1\n",
            "more than one column for a class: 'Mass and prob_Mass'; leave out all but one",
        ),
        (
            "Path,id,Edema,Mass\na.png,b.png,1,1\n",
            "more than one column of image names: 'Path', 'id'; leave out all but one",
        ),
        (
            ",Edema,Mass,\na.png,1,1,b.png\n",
            "more than one column of image names: 'Unnamed: 0', 'Unnamed: 3'",
        ),
        (",image,Edema,Mass\nx,a.png,1,1\n", "column 'Unnamed: 0', no class of the data"),
        (",Edema,Mass\n0,1,1\n1,1,1\n", "has no column of image names"),
        ("image,image,Edema,Mass\na.png,b.png,1,1\n", "column 'image' twice"),
        (
            HEADER + "a.png,0.1,0.2\na.png,0.1,0.2\n",
            r"line 3: image 'a\.png' stands in an earlier line already",
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
            r"a second row for image 'images/b\.png', under another folder or suffix",
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
    with pytest.raises(DataError, match="not UTF-8 text, found byte 0xff"):
        read_predictions(tmp_path / "p.csv", CLASSES)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.csv: No such file"):
        read_predictions(tmp_path / "none.csv", CLASSES)
