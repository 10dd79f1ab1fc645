import pytest

from xopt.runtime import OutputError
from xopt.runtime.files import check_free, staged_folder, write_file


def test_a_staged_folder_appears_only_when_it_is_complete(tmp_path):
    with staged_folder(tmp_path / "out") as stage:
        (stage / "manifest.json").write_text("{}")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "manifest.json").read_text() == "{}"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_error_inside_leaves_the_old_folder_as_it_was(tmp_path):
    with staged_folder(tmp_path / "out") as stage:
        (stage / "manifest.json").write_text("old")
    with pytest.raises(ValueError, match="null byte"), staged_folder(tmp_path / "out", force=True) as stage:
        (stage / "\0").write_text("new")
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_force_replaces_the_folder_as_a_whole(tmp_path):
    for name in ("manifest.json", "other"):
        with staged_folder(tmp_path / "out", force=True) as stage:
            (stage / "manifest.json").write_text("{}")
            (stage / name).write_text("{}")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["manifest.json", "other"]


def test_a_link_is_never_replaced(tmp_path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OutputError, match="is a link"):
        check_free(tmp_path / "link", force=True)


def test_a_file_is_written_once_and_replaced_by_force(tmp_path):
    write_file(tmp_path / "a.json", "1")
    with pytest.raises(OutputError, match="exists already"):
        write_file(tmp_path / "a.json", "2")
    write_file(tmp_path / "a.json", b"3", force=True)
    assert (tmp_path / "a.json").read_text() == "3"


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        check_free(tmp_path / "absent" / "a")


def test_a_disk_that_refuses_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot write"), staged_folder(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
