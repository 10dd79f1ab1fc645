"""The work folder: what it was begun with, what it keeps."""

import pytest

from xopt.optimize.tune.state import differences, open_folder
from xopt.runtime import OutputError

BEGUN = {"source": "ab" * 32, "settings": {"rounds": 30, "threads": (None,)}}


def test_what_was_kept_is_there_when_it_is_taken_up_again(tmp_path):
    with open_folder(tmp_path / "work", BEGUN) as folder:
        with folder.phase("race"):
            folder.keep("race", [1.5])
        assert folder.resumed == 0
    with open_folder(tmp_path / "work", BEGUN) as again:
        assert (again.resumed, again.get("race"), again.get("other")) == (1, [1.5], None)
        assert list(again.seconds) == ["race"]


def test_other_settings_are_refused_by_name_unless_forced(tmp_path):
    other = {**BEGUN, "settings": {"rounds": 8, "threads": (None,)}}
    with open_folder(tmp_path / "work", BEGUN) as folder:
        folder.keep("race", 1)
        (tmp_path / "work" / "bundles").mkdir()
    with (
        pytest.raises(OutputError, match=r"begun with settings\.rounds 30, not 8"),
        open_folder(tmp_path / "work", other),
    ):
        pass
    with open_folder(tmp_path / "work", other, force=True) as anew:
        assert (anew.resumed, anew.get("race")) == (0, None)
        assert not (tmp_path / "work" / "bundles").exists()


def test_a_damaged_state_is_refused_and_nothing_removed_unless_forced(tmp_path):
    with open_folder(tmp_path / "work", BEGUN):
        (tmp_path / "work" / "bundles").mkdir()
    (tmp_path / "work" / "tune.json").write_text('{"begun_with": {}, "kept": 3}')
    with (
        pytest.raises(OutputError, match=r"damaged \(tune\.json: kept must be an object, got 3\)"),
        open_folder(tmp_path / "work", BEGUN),
    ):
        pass
    assert (tmp_path / "work" / "bundles").is_dir()
    with open_folder(tmp_path / "work", BEGUN, force=True) as anew:
        assert anew.resumed == 0


def test_two_tunings_do_not_work_in_one_folder(tmp_path):
    with (
        open_folder(tmp_path / "work", BEGUN),
        pytest.raises(OutputError, match="another xopt tune"),
        open_folder(tmp_path / "work", BEGUN),
    ):
        pass


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"not one of xopt's"),
        open_folder(tmp_path / "work", BEGUN, force=True),
    ):
        pass
    assert (tmp_path / "work" / "thesis.txt").is_file()


def test_a_folder_that_a_kill_left_at_the_very_beginning_is_taken(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "lock").touch()
    with open_folder(tmp_path / "work", BEGUN) as folder:
        assert folder.resumed == 0


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b 1, not 2"]),
        ({"a": 1}, {}, ["a 1, not null"]),
        ({}, {"a": [1]}, ["a null, not [1]"]),
        ({"a": "c" * 64}, {"a": "d" * 64}, ["a cccccccccccc..., not dddddddddddd..."]),
    ],
)
def test_differences_are_named(before, now, found):
    assert differences(before, now) == found
