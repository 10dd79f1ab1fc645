import json
import time

import pytest

from xopt.nas.search.candidates import State
from xopt.nas.search.settings import Budget
from xopt.nas.search.storage import open_study, without_password
from xopt.runtime.errors import DataError, DependencyError, UsageError


def journal_of(tmp_path, searching):
    engine = searching.make_engine(
        tmp_path, None, pool=searching.VirtualPool(dict.fromkeys(searching.InOrder().codes, 1.0))
    )
    engine.run()
    return tmp_path / "search.journal"


@pytest.mark.parametrize(
    "tail", [b'{"op_code":4,"worker_id":"x', b"\0" * 512, b"{}\0\0", b'["no record"]\n', b"\0\0\n"]
)
def test_a_torn_last_line_of_a_journal_is_cut_off(searching, tmp_path, tail):
    path = journal_of(tmp_path, searching)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    study = open_study(f"journal:{path}", "test", create=False)
    assert path.read_bytes() == whole
    assert len(study.get_trials()) == 6


def test_a_line_torn_by_another_machine_does_not_join_the_next_one(searching, tmp_path):
    path = journal_of(tmp_path, searching)
    study = open_study(f"journal:{path}", "test", create=False)
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker')
    study.set_user_attr("after", 1)
    assert open_study(f"journal:{path}", "test", create=False).user_attrs["after"] == 1


def test_a_lock_that_nobody_holds_any_more_is_taken_over(searching, tmp_path, monkeypatch):
    path = journal_of(tmp_path, searching)
    path.with_name(f"{path.name}.lock").symlink_to(path)
    elapsed = iter(range(0, 10_000, 5))
    monkeypatch.setattr("time.monotonic", lambda: float(next(elapsed)))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert len(open_study(f"journal:{path}", "test", create=False).get_trials()) == 6


def test_a_journal_damaged_in_the_middle_is_named_with_its_line(searching, tmp_path):
    path = journal_of(tmp_path, searching)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[3:]]))
    with pytest.raises(DataError, match=r"damaged in line 4; move it away and add --resume"):
        open_study(f"journal:{path}", "test", create=False)


def test_a_lost_storage_comes_back_from_the_folder_without_training_again(searching, tmp_path):
    searching.make_engine(tmp_path, searching.Formula(tmp_path / "log")).run()
    (tmp_path / "search.journal").unlink()
    engine = searching.make_engine(tmp_path, None, pool=searching.VirtualPool({}))
    engine.run()
    assert len(engine.store.candidates()) == 6
    assert all(row.value is not None for row in engine.store.candidates())


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("not a url", UsageError, "is no URL"),
        ("sqlite:///{}/nowhere/x.db", DataError, "no folder"),
        ("journal:{}/nowhere/x", DataError, "no folder"),
        ("sqlite:///{}/torn.db", DataError, "cannot be used: file is not a database"),
        ("nodatabase://host/name", (UsageError, DependencyError), "nodatabase"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_in_one_line(tmp_path, url, error, said):
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 500)
    with pytest.raises(error, match=said) as raised:
        open_study(url.format(tmp_path), "x", create=True)
    assert "\n" not in str(raised.value)


def test_a_search_that_is_not_in_the_storage_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no search 'x' in journal:.*give the --study"):
        open_study(f"journal:{tmp_path / 'j'}", "x", create=False)


def test_passwords_are_neither_shown_nor_written_down():
    shown = without_password("postgresql://me:secret@host/name")
    assert "secret" not in shown
    assert shown == "postgresql://me:***@host/name"
    assert without_password("journal:a@b") == "journal:a@b"


def test_an_sqlite_file_has_all_its_tables_or_is_absent(tmp_path, monkeypatch):
    from optuna.storages import RDBStorage

    url = f"sqlite:///{tmp_path / 'search.db'}"
    with monkeypatch.context() as patch:
        patch.setattr(RDBStorage, "__init__", lambda self, url: (_ for _ in ()).throw(OSError("no space")))
        with pytest.raises(DataError, match="no space"):
            open_study(url, "x", create=True)
    assert list(tmp_path.iterdir()) == []
    open_study(url, "x", create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["search.db"]


def test_of_two_machines_that_take_one_network_the_first_has_it(searching, tmp_path):
    url = f"journal:{tmp_path / 'both'}"
    one, two = (
        searching.make_engine(tmp_path, None, pool=searching.VirtualPool({}), url=url, owner=owner).store
        for owner in ("one", "two")
    )
    # Neither looks before it takes: two that look at the same time both see nothing.
    assert one.begin("00000", latency_ms=None) is not None
    assert two.begin("00000", latency_ms=None) is None
    assert two.begin("00001", latency_ms=None) is not None
    assert [(row.code, row.owner) for row in one.candidates()] == [("00000", "one"), ("00001", "two")]


def test_what_a_dead_machine_had_in_hand_is_taken_over(searching, tmp_path, monkeypatch):
    url = f"journal:{tmp_path / 'both'}"
    hours = dict.fromkeys(searching.InOrder().codes, 1.0)
    (tmp_path / "one").mkdir()
    lost = searching.make_engine(
        tmp_path / "one", None, pool=searching.VirtualPool(hours), url=url, owner="one"
    )
    assert lost.store.begin("00000", latency_ms=None) is not None
    (tmp_path / "two").mkdir()
    alive = searching.make_engine(
        tmp_path / "two", None, pool=searching.VirtualPool(hours), url=url, owner="two"
    )
    assert alive.store.reclaim() == []
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    alive.store.beat(hours=0.0)
    assert alive.store.reclaim() == ["00000"]
    assert alive.store.candidates() == []
    # The lost one comes back after all: what it had is not its own any more.
    lost.store.beat(hours=0.0)
    assert lost.store.candidates() == []


def test_a_machine_that_was_taken_for_dead_goes_on_without_what_was_taken_over(searching, tmp_path):
    pool = searching.VirtualPool(dict.fromkeys(searching.InOrder().codes, 1.0), size=1)
    slept = searching.make_engine(tmp_path, None, pool=pool, budget=Budget(candidates=2))
    wait = pool.wait

    def sleep(timeout_s):
        pool.wait = wait
        (row,) = slept.store.candidates()
        assert slept.store._withdraw(row)
        return wait(timeout_s)

    pool.wait = sleep
    assert slept.run() == "the budget of 2 candidates is spent"
    assert [row.state for row in slept.store.candidates()] == [State.DONE] * 2


def test_a_study_of_other_data_is_not_joined(searching, tmp_path):
    path = journal_of(tmp_path, searching)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert any(line.get("user_attr") == {"context": "formula"} for line in lines)
    from xopt.nas.search.trial_store import TrialStore

    with pytest.raises(UsageError, match="has another space, recipe or data; choose another --study"):
        TrialStore.open(
            f"journal:{path}",
            "test",
            owner="x",
            context="other",
            space=searching.Digits(),
            objective="worth",
        )
