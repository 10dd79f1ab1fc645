"""Folders that one process at a time works in."""

import subprocess
import sys

import pytest

from xopt.runtime.errors import BusyError, OutputError
from xopt.runtime.locks import is_locked, locked

HOLDER = """
import sys, time
from pathlib import Path
from xopt.runtime.locks import locked

with locked(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_who_comes_second_is_told_in_the_words_of_the_folder(tmp_path):
    file = tmp_path / "lock"
    assert not is_locked(file)
    with locked(file, "first"):
        assert is_locked(file)
        with pytest.raises(BusyError, match=r"^wait for it$"), locked(file, "wait for it"):
            pytest.fail("two at a time")
        assert is_locked(file)
    assert not is_locked(file)
    with locked(file, "third"):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    file = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, file], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert is_locked(file)
    with pytest.raises(BusyError), locked(file, "busy"):
        pytest.fail("two at a time")
    holder.kill()
    holder.communicate()
    assert file.exists()
    assert not is_locked(file)
    with locked(file, "busy"):
        pass


def test_a_folder_that_was_replaced_while_waiting_is_somebody_else_s(tmp_path, monkeypatch):
    import fcntl

    file = tmp_path / "lock"
    flock = fcntl.flock

    def replaced_meanwhile(handle, how):
        file.rename(tmp_path / "old")
        file.touch()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    with pytest.raises(BusyError), locked(file, "busy"):
        pytest.fail("the lock of a folder that is gone")


@pytest.mark.parametrize("place", ["missing/lock", "file/lock"])
def test_a_place_for_no_lock_is_one_line(tmp_path, place):
    (tmp_path / "file").touch()
    expected = pytest.raises(OutputError, match=r"cannot lock .*: (No such file|Not a directory)")
    with expected, locked(tmp_path / place, "busy"):
        pytest.fail("no lock")
