import pytest

from xopt.datasets import FORMATS, open_source
from xopt.runtime.errors import DataError


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no data at .*nothing"):
        open_source(tmp_path / "nothing")


def test_an_unrecognised_folder_says_what_was_looked_for_and_what_was_found(tmp_path):
    for name in "fedcba":
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "NORMAL").mkdir()
    with pytest.raises(DataError) as caught:
        open_source(tmp_path)
    message = str(caught.value)
    assert "<split>_list.txt" in message
    assert "found NORMAL/, a.png, b.png, c.png, d.png and 2 more" in message


def test_an_empty_folder_and_a_foreign_file_are_called_so(tmp_path):
    with pytest.raises(DataError, match="found an empty folder"):
        open_source(tmp_path)
    (tmp_path / "data.bin").touch()
    with pytest.raises(DataError, match="found a file"):
        open_source(tmp_path / "data.bin")


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(
        DataError, match="no data format 'lists'; there is: cache, nih, list, chexpert, csv, npz, tree"
    ):
        open_source(tmp_path, "lists")


def test_a_named_format_says_what_it_misses(tmp_path):
    with pytest.raises(DataError, match="no list file in"):
        open_source(tmp_path, "list")
    (tmp_path / "classes.txt").write_text("A\n")
    (tmp_path / "train_list.txt").write_text("a.png 1\n")
    assert open_source(str(tmp_path), "list").classes == ("A",)


def test_the_file_named_list_txt_alone_is_no_split(tmp_path):
    (tmp_path / "_list.txt").write_text("a.png 1\n")
    with pytest.raises(DataError, match="no format known"):
        open_source(tmp_path)


def test_every_format_has_a_name_of_its_own():
    assert len({known.name for known in FORMATS}) == len(FORMATS)
