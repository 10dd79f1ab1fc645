import hashlib

import pytest

from xopt.datasets import FINDINGS, lists, open_source
from xopt.runtime.errors import DataError


@pytest.fixture
def source(tmp_path):
    """Writes list files: source(train="a.png 0 1\\n", classes="A\\nB\\n") -> the folder."""

    def write(**files):
        for name, content in files.items():
            file = tmp_path / ("classes.txt" if name == "classes" else f"{name}_list.txt")
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


AB = "A\nB\n"


def test_a_folder_of_lists_becomes_a_dataset(source):
    folder = source(
        classes=AB,
        test="c.png 1 1\n",
        train="a.png 0 1\nsub/b.png 1 0\n",
        extra="d.png 0 0\n",
        val="e.png 0 0",
    )
    dataset = lists.read(folder)
    assert dataset.name == folder.name
    assert dataset.root == folder
    assert dataset.classes == ("A", "B")
    assert list(dataset.splits) == ["train", "val", "test", "extra"]
    train = dataset.split("train")
    assert train.images == ("a.png", "sub/b.png")
    assert train.labels_NC.tolist() == [[0, 1], [1, 0]]
    assert train.labels_NC.dtype.name == "uint8"


@pytest.mark.parametrize(
    "content",
    [
        "a.png 0 1\nb.png 1 0\n",
        "a.png\t0\t1\nb.png   1  0",
        "a.png,0,1\r\nb.png, 1 , 0\r\n",
        "\ufeffa.png 0 1\n\n  \n b.png 1 0 \n\n",
    ],
)
def test_whitespace_commas_blank_lines_and_line_ends_do_not_matter(source, content):
    train = lists.read(source(classes=AB, train=content)).split("train")
    assert train.images == ("a.png", "b.png")
    assert train.labels_NC.tolist() == [[0, 1], [1, 0]]


def test_without_class_names_the_classes_are_the_14_findings(source):
    dataset = lists.read(source(train="a.png" + " 0" * 13 + " 1\n"))
    assert dataset.classes == FINDINGS
    assert len(FINDINGS) == 14
    assert dataset.classes[-1] == "Hernia"


def test_one_list_file_is_a_source_of_its_own(source):
    folder = source(classes=AB, train="a.png 0 1\n", val="b.png 0 1\n")
    dataset = open_source(folder / "val_list.txt")
    assert list(dataset.splits) == ["val"]
    assert dataset.classes == ("A", "B")
    assert dataset.name == "val"


@pytest.mark.parametrize("place", ["images/a.png", "a.png", "train/a.png"])
def test_images_lie_under_images_or_beside_the_list_or_under_the_split(source, place):
    folder = source(classes=AB, train="a.png 0 1\n")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).touch()
    assert lists.read(folder).split("train").path(0) == folder / place


def test_a_folder_named_as_the_split_comes_before_the_others(source):
    folder = source(classes=AB, train="a.png 0 1\n", originals="a.png 0 1\n")
    for place in ("images", "originals"):
        (folder / place).mkdir()
        (folder / place / "a.png").touch()
    dataset = lists.read(folder)
    assert dataset.split("train").path(0).parent.name == "images"
    assert dataset.split("originals").path(0).parent.name == "originals"


def test_labels_are_read_where_every_image_is_absent(source):
    assert len(lists.read(source(classes=AB, train="a.png 0 1\n")).split("train")) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a.png 0 1\nb.png 0\n", r"line 2: wanted 2 labels \(the classes of classes\.txt\), found 1"),
        ("a.png 0 1 1\n", "line 1: wanted 2 labels .*, found 3"),
        ("a.png\n", "line 1: wanted 2 labels .*, found 0"),
        ("a.png 0 2\n", r"line 1: a label must be 0, 1 or -1 .*, found \'2\'"),
        ("a.png 0 -2\n", r"line 1: a label must be 0, 1 or -1 \(uncertain\), found '-2'"),
        ("a.png 0 1.0\n", r"line 1: a label must be 0, 1 or -1 .*, found \'1.0\'"),
        ("a.png 0 \u0661\n", "line 1: a label must be 0, 1 or -1"),
        ("a.png,,1\n", r"line 1: a label must be 0, 1 or -1 .*, found \'\'"),
        ("a.png,0,1,\n", "line 1: wanted 2 labels .*, found 3"),
        ("\na.png 0 1\nb.png 0 1\na.png 0 1\n", r"line 4: image a\.png stands on line 2 already"),
        ("/etc/a.png 0 1\n", "line 1: an image name must stay inside the folder .*, found '/etc/a.png'"),
        ("../a.png 0 1\n", "line 1: an image name must stay inside"),
        ("x/../../a.png 0 1\n", "line 1: an image name must stay inside"),
        ("x\\..\\a.png 0 1\n", "line 1: an image name must stay inside"),
        ("C:\\a.png 0 1\n", "line 1: an image name must stay inside"),
        (",0,1\n", "line 1: an image name must be printable text, found ''"),
        ("a\0b.png 0 1\n", "line 1: an image name must be printable text"),
        (b"a.png 0 1\nb\xff.png 0 1\n", "line 2: not UTF-8 text, found byte 0xff"),
        ("", "train_list.txt is empty"),
        ("\n \n", "train_list.txt is empty"),
    ],
)
def test_a_malformed_list_is_refused_with_file_line_and_what_was_found(source, content, complaint):
    with pytest.raises(DataError, match=complaint) as caught:
        lists.read(source(classes=AB, train=content))
    assert "train_list.txt" in str(caught.value)


def test_labels_that_do_not_fit_the_14_findings_point_to_the_missing_class_names(source):
    with pytest.raises(DataError, match=r"wanted 14 labels \(.* no classes\.txt\), found 2"):
        lists.read(source(train="a.png 0 1\n"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("A\n\nB\nA\n", "line 4: class 'A' stands on line 1 already"),
        ("\n", "classes.txt is empty"),
        (b"\xfe\n", "line 1: not UTF-8 text, found byte 0xfe"),
    ],
)
def test_malformed_class_names_are_refused(source, content, complaint):
    with pytest.raises(DataError, match=complaint):
        lists.read(source(classes=content, train="a.png 0 1\n"))


def test_an_unreadable_list_is_a_data_error(source):
    folder = source(train="")
    (folder / "classes.txt").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*classes\.txt"):
        lists.read(folder)


@pytest.mark.shared
def test_the_real_lists_are_read_and_their_digests_are_those_of_the_files(shared):
    folder = shared / "data" / "nih-mini"
    dataset = open_source(folder)
    counts = {name: (len(split), len(set(split.patients))) for name, split in dataset.splits.items()}
    assert counts == {"train": (911, 719), "val": (164, 142), "test": (323, 260), "originals": (40, 28)}
    for name, split in dataset.splits.items():
        assert split.digest == hashlib.sha256((folder / f"{name}_list.txt").read_bytes()).hexdigest()
        assert split.path(len(split) - 1).is_file()
