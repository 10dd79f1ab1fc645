import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from xopt.nas.search import local_workers as local
from xopt.nas.search.candidates import State
from xopt.nas.search.local_workers import share_devices
from xopt.nas.search.settings import Budget

HERE = str(Path(__file__).parent)


@pytest.fixture
def started(tmp_path):
    """Start a search as a process; what is left of it at the end is killed."""
    running = []

    def start(*words, folder=tmp_path):
        paths = os.pathsep.join([HERE, *(path for path in sys.path if path)])
        process = subprocess.Popen(
            [sys.executable, "-c", "import searching; searching.main()", folder, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(true, *, seconds=300):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "nothing came of it"
        time.sleep(0.01)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Nobody may have asked what became of it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_worker_that_dies_costs_its_candidate_one_try(searching, tmp_path):
    objective = searching.Formula(tmp_path / "log", ends="00001=once,00002=kill")
    engine = searching.make_engine(tmp_path, objective)
    engine.run()
    rows = {row.code: row for row in engine.store.candidates()}
    assert len(rows) == 6
    assert (rows["00001"].state, rows["00001"].deaths) == (State.DONE, 1)
    assert rows["00002"].state is State.FAILED
    assert "was killed by signal 9" in rows["00002"].reason
    starts, ends = searching.log_of(tmp_path / "log")
    assert Counter(starts) == {**dict.fromkeys(rows, 1), "00001": 2, "00002": 2}
    assert sorted(ends) == sorted(set(rows) - {"00002"})


def test_nobody_waits_for_a_slow_candidate(searching, tmp_path):
    objective = searching.Formula(tmp_path / "log", ends="00000=slow")
    searching.make_engine(tmp_path, objective, budget=Budget(candidates=4)).run()
    assert searching.log_of(tmp_path / "log")[1][-1] == "00000"


def test_two_workers_are_two_processes_with_their_threads(searching, tmp_path):
    engine = searching.make_engine(tmp_path, searching.Formula(tmp_path / "log", seconds=0.1))
    engine.run()
    pids = {line.split()[2] for line in (tmp_path / "log").read_text().splitlines()}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_killed_search_takes_its_workers_with_it(searching, tmp_path, started):
    process = started(4, 60, 2)
    log = tmp_path / "log"
    wait_until(lambda: len(searching.log_of(log)[0]) == 2)
    workers = [int(line.split()[2]) for line in log.read_text().splitlines()]
    process.kill()
    process.wait()
    wait_until(lambda: all(map(is_gone, workers)))


@pytest.mark.slow
def test_a_search_killed_again_and_again_ends_with_every_network_trained_once(searching, tmp_path, started):
    budget, log, url = 14, tmp_path / "log", f"sqlite:///{tmp_path / 'search.db'}"
    for number, share in enumerate((0.05, 0.3, 0.5, 0.8), 1):
        process = started(budget, 0.1, 2, url)
        wait_until(lambda wanted=share * budget: len(searching.log_of(log)[1]) >= wanted)
        # The moments differ from run to run: in a training, in a write, between two of them.
        time.sleep(number * 0.037)
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        time.sleep(0.6)
    process = started(budget, 0.1, 2, url)
    said, errors = process.communicate(timeout=300)
    assert said == f"the budget of {budget} candidates is spent\n", errors
    starts, ends = searching.log_of(log)
    engine = searching.make_engine(tmp_path, None, pool=searching.VirtualPool({}), url=url)
    rows = engine.store.candidates()
    assert [row.state for row in rows] == [State.DONE] * budget
    assert len({row.code for row in rows}) == budget
    assert "again" not in log.read_text()
    assert set(ends) == set(starts) == {row.code for row in rows}
    assert all(row.value == searching.worth(row.code) for row in rows)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_search_cleanly_and_it_goes_on(searching, tmp_path, started, number):
    # The third and the fourth network wait for others to end, so the signal always comes before the end.
    process = started(6, 0, 2, "", "", "00002=slow,00010=slow")
    log = tmp_path / "log"
    wait_until(lambda: len(list((tmp_path / "results").glob("*.json"))) == 2)
    # Ctrl-C goes to the whole group, workers among them.
    os.killpg(process.pid, number)
    said, errors = process.communicate(timeout=300)
    assert said == "interrupted\n", errors
    assert process.returncode == 0
    engine = searching.make_engine(tmp_path, searching.Formula(log))
    states = [row.state for row in engine.store.candidates()]
    assert states.count(State.DONE) == 2
    assert set(states) <= {State.DONE, State.WAITING}
    engine.run()
    rows = engine.store.candidates()
    assert [row.state for row in rows] == [State.DONE] * 6
    assert "again" not in log.read_text()


@pytest.mark.slow
def test_two_machines_share_a_search(searching, tmp_path, started):
    url = f"journal:{tmp_path / 'shared'}"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    both = [started(10, 0.2, 1, url, folder.name, folder=folder) for folder in folders]
    for process in both:
        said, errors = process.communicate(timeout=300)
        assert said == "the budget of 10 candidates is spent\n", errors
    rows = searching.make_engine(
        tmp_path, None, pool=searching.VirtualPool({}), url=url, owner="three"
    ).store.candidates()
    assert len({row.code for row in rows}) == len(rows)
    # Both may ask for the last one at the same time.
    assert 10 <= len(rows) <= 11
    assert {row.owner for row in rows} == {"one", "two"}
    starts = [code for folder in folders for code in searching.log_of(folder / "log")[0]]
    assert len(starts) == len(set(starts)) == len(rows)


SIGNALLED = """
import os, signal, threading, time
from xopt.nas.search.interrupts import Interrupted, Interrupts

before = signal.getsignal(signal.SIGTERM)
with Interrupts().caught() as interrupts:
    os.kill(os.getpid(), signal.SIGTERM)
    print("written", interrupts.signal == signal.SIGTERM)
    try:
        with interrupts.waiting():
            print("the wait has to end before it begins")
    except Interrupted:
        print("ended")
with Interrupts().caught() as interrupts:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with interrupts.waiting():
            time.sleep(3600)
    except Interrupted:
        print("at once")
print("given back", signal.getsignal(signal.SIGTERM) is before)
"""


def test_a_signal_ends_a_wait_at_once_and_a_write_not_at_all():
    # In a process of its own: tests may run beside a main thread, which alone hears signals.
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["written True", "ended", "at once", "given back True"], done.stderr


@pytest.mark.parametrize(
    ("cores", "workers", "count", "threads"),
    [(8, 2, 2, "4"), (8, None, 2, "4"), (2, None, 1, "2"), (2, 5, 5, "1")],
)
def test_cores_are_shared_out_evenly(monkeypatch, cores, workers, count, threads):
    monkeypatch.setattr(local, "_gpus", lambda: ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    found = share_devices(workers)
    assert len(found) == count
    assert {device.environment["OMP_NUM_THREADS"] for device in found} == {threads}


def test_workers_take_gpus_in_turn_by_the_names_this_process_knows(monkeypatch):
    monkeypatch.setattr(local, "_gpus", lambda: ("2", "5"))
    assert [device.environment["CUDA_VISIBLE_DEVICES"] for device in share_devices(3)] == ["2", "5", "2"]
    assert [device.name for device in share_devices()] == ["gpu 2", "gpu 5"]


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    monkeypatch.setattr(local, "_DRIVERS", ("/nowhere",))
    assert local._gpus() == ()
