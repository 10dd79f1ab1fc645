import pytest

from xopt.nas.search.candidates import Candidate, State, best_of
from xopt.nas.search.folder import SearchFolder
from xopt.runtime.errors import OutputError


def row(number, code, state, value=None):
    return Candidate(number=number, code=code, state=state, parameters=1, macs=1, value=value)


ROWS = [
    row(1, "a", State.DONE, 0.7),
    row(2, "b", State.DONE, 0.9),
    row(3, "c", State.STOPPED, 0.99),
    row(4, "d", State.FAILED),
    row(5, "e", State.RUNNING),
    row(6, "f", State.DONE, 0.9),
]


def test_the_best_are_whole_trainings_and_of_equals_the_earlier_one():
    assert [best.code for best in best_of(ROWS)] == ["b", "f", "a"]


def test_the_best_and_what_is_under_way_keep_their_run_folders(tmp_path):
    folder = SearchFolder(path=tmp_path)
    folder.prune(ROWS, 1)
    for code in "abcdef":
        (folder.runs / code).mkdir(parents=True)
    (folder.runs / ".a.1.part").mkdir()
    folder.prune(ROWS, 2)
    assert {path.name for path in folder.runs.iterdir()} == {"b", "f", "e", ".a.1.part"}


def test_one_process_at_a_time_works_for_a_search(tmp_path):
    folder = SearchFolder(path=tmp_path / "s")
    folder.make(force=False)
    assert not folder.is_searching
    with folder.locked():
        assert folder.is_searching
        with pytest.raises(OutputError, match="a search is at work in"), folder.locked():
            pytest.fail("two at a time")
        (folder.path / "search.json").touch()
        with pytest.raises(OutputError, match="a search is at work in"):
            folder.make(force=True)
    assert not folder.is_searching


def test_only_a_search_is_replaced_and_only_by_force(tmp_path):
    folder = SearchFolder(path=tmp_path / "s")
    folder.make(force=False)
    (folder.path / "mine.txt").touch()
    with pytest.raises(OutputError, match="exists already"):
        folder.make(force=False)
    with pytest.raises(OutputError, match=r"without search\.json"):
        folder.make(force=True)
    (folder.path / "search.json").touch()
    folder.make(force=True)
    assert list(folder.path.iterdir()) == []


def test_what_a_kill_left_half_written_is_swept_up(tmp_path):
    for place in (".x.1.part", "results/.y.json.1.part", "runs/.z.1.old/deep"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "results" / ".file.2.part").touch()
    (tmp_path / "results" / "kept.json").touch()
    SearchFolder(path=tmp_path).sweep()
    assert {path.name for path in tmp_path.rglob("*")} == {"results", "kept.json", "runs"}
