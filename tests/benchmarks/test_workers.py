import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xopt.benchmarks.workers import Worker
from xopt.runtime.errors import BundleError, XoptError

HELPERS = '''
"""Things to open in a worker."""

import os
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from xopt.runtime.errors import BundleError


@dataclass(frozen=True)
class Thing:
    start: int = 0

    def open(self):
        print("library noise on stdout")
        return self

    def add(self, value):
        return self.start + value

    def wait(self, seconds):
        time.sleep(seconds)
        return os.getpid()

    def modules(self):
        return sorted(sys.modules)

    def threads(self):
        return os.environ.get("OMP_NUM_THREADS")

    def spin(self, seconds):
        def burn():
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                pass

        threading.Thread(target=burn, name="spinning", daemon=True).start()

    def spins(self):
        return "spinning" in [thread.name for thread in threading.enumerate()]

    def array(self, values):
        return values * 2

    def refuse(self):
        raise BundleError("it was changed;\\n  export it again")

    def fail(self):
        raise RuntimeError("something\\nbroke")

    def die(self):
        sys.stderr.write("terminate called: out of tensors\\n")
        sys.stderr.flush()
        os._exit(7)

    def hold(self, megabytes):
        return np.ones(megabytes * 125_000).sum()


@dataclass(frozen=True)
class Refusing:
    def open(self):
        raise BundleError("no bundle at x")
'''


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    (tmp_path / "worker_helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "worker_helpers", raising=False)
    import worker_helpers

    return worker_helpers


def running(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_worker_answers_from_a_process_of_its_own(helpers):
    with Worker("one", helpers.Thing(start=40)) as worker:
        assert worker.call("add", 2).value == 42
        assert worker.call("wait", 0).value != os.getpid()


def test_only_the_call_itself_is_timed(helpers):
    import numpy as np

    with Worker("one", helpers.Thing()) as worker:
        assert worker.call("wait", 0.2).seconds >= 0.2
        large = np.ones(4_000_000)
        start = time.perf_counter()
        answer = worker.call("array", large)
        around = time.perf_counter() - start
    assert np.array_equal(answer.value, large * 2)
    assert answer.seconds < around


def test_a_worker_imports_nothing_of_its_parents_main_program(helpers):
    with Worker("one", helpers.Thing()) as worker:
        modules = worker.call("modules").value
    assert "pytest" not in modules
    assert "torch" not in modules
    assert "openvino" not in modules


def test_peak_memory_is_the_workers_own(helpers):
    ballast = bytearray(os.urandom(1) * 300_000_000)
    with Worker("one", helpers.Thing()) as worker:
        worker.call("add", 1)
        before = worker.peak_rss_mb()
        worker.call("hold", 200)
        after = worker.peak_rss_mb()
    assert len(ballast) == 300_000_000
    assert before < 150
    assert 190 < after - before < 260


def test_the_environment_reaches_the_worker(helpers):
    with Worker("one", helpers.Thing(), environment={"OMP_NUM_THREADS": "3"}) as worker:
        assert worker.call("threads").value == "3"


def test_what_a_worker_prints_stays_out_of_our_output(helpers, capfd):
    with Worker("one", helpers.Thing()) as worker:
        worker.call("add", 1)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("method", "family", "said"),
    [
        ("refuse", BundleError, "the variant: it was changed; export it again"),
        ("fail", XoptError, "the variant: RuntimeError: something broke"),
        ("missing", XoptError, "the variant: AttributeError: .*missing"),
    ],
)
def test_an_error_in_a_worker_arrives_with_the_variants_name(helpers, method, family, said):
    with Worker("the variant", helpers.Thing()) as worker:
        with pytest.raises(family, match=said):
            worker.call(method)
        assert worker.call("add", 1).value == 1


def test_what_cannot_be_opened_says_so_at_the_first_call(helpers):
    with (
        Worker("the variant", helpers.Refusing()) as worker,
        pytest.raises(BundleError, match="no bundle at x"),
    ):
        worker.call("add", 1)


def test_a_worker_that_dies_is_named_with_its_last_words(helpers):
    with (
        Worker("the variant", helpers.Thing()) as worker,
        pytest.raises(XoptError, match="the variant ended with code 7; its last words: terminate called"),
    ):
        worker.call("die")


def test_a_killed_worker_is_named_with_its_signal(helpers):
    with Worker("the variant", helpers.Thing()) as worker:
        os.kill(worker.call("wait", 0).value, signal.SIGKILL)
        with pytest.raises(XoptError, match=r"killed by signal 9 \(out of memory\?\)"):
            worker.call("add", 1)


def test_settling_waits_for_threads_that_still_spin(helpers, monkeypatch):
    monkeypatch.setattr("xopt.benchmarks.workers._PATIENCE_S", 3600.0)
    with Worker("one", helpers.Thing()) as worker:
        worker.call("spin", 0.25)
        worker.settle()
        assert not worker.call("spins").value


def test_settling_does_not_wait_for_ever(helpers):
    with Worker("one", helpers.Thing()) as worker:
        worker.call("spin", 3600)
        worker.settle()
        assert worker.call("spins").value


def test_no_process_is_left_behind(helpers):
    with Worker("one", helpers.Thing()) as worker:
        process_id = worker.call("wait", 0).value
    assert not running(process_id)


def test_an_error_outside_ends_a_busy_worker_at_once(helpers):
    seen = []

    def interrupted():
        with Worker("one", helpers.Thing()) as worker:
            seen.append(worker.call("wait", 0).value)
            worker._send(("wait", (3600,)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not running(seen[0])


def test_a_worker_ends_when_its_parent_is_killed(helpers, tmp_path):
    program = (
        "import sys, time; from xopt.benchmarks.workers import Worker; from worker_helpers import Thing\n"
        "worker = Worker('one', Thing()); print(worker.call('wait', 0).value, flush=True); time.sleep(3600)"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    with parent:
        process_id = int(parent.stdout.readline())
        parent.kill()
    while running(process_id):
        time.sleep(0.05)
