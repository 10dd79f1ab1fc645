"""Local processes, a Dask cluster of two real workers, and an MPI program of three real ranks."""

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import open_executor, run_all
from xopt.runtime.errors import ClusterError, UsageError

# Workers find functions by their module's name, and pytest names modules after the folder of the checkout.
sys.path.append(str(Path(__file__).parent))
import worker_calls as calls


class ExecutorContract:
    """What callers may count on, whatever runs the work."""

    def test_every_answer_comes_with_the_number_of_its_argument(self, workers):
        answers = dict(run_all(workers, calls.square, range(20)))
        assert answers == {x: x * x for x in range(20)}

    def test_equal_calls_are_run_each(self, workers, tmp_path):
        assert workers.count == 2
        # Were equal calls run once, nobody would ever meet.
        seen = {answer for _number, answer in run_all(workers, calls.meet, [str(tmp_path)] * 12)}
        assert len(seen) == 2
        assert os.getpid() not in seen

    def test_a_workers_libraries_have_one_thread(self, workers):
        assert workers.submit(calls.threads, 0).result() == "1"

    def test_what_a_call_raises_is_raised_here(self, workers):
        with pytest.raises(ValueError, match="no 7"):
            list(run_all(workers, calls.fail, [7]))
        assert workers.submit(calls.square, 3).result() == 9

    def test_arguments_are_taken_as_workers_become_free(self, workers):
        taken = []

        def arguments():
            for x in range(50):
                taken.append(x)
                yield x

        answers = run_all(workers, calls.square, arguments(), ahead=2)
        next(answers)
        assert len(taken) <= 5
        answers.close()


@pytest.fixture(scope="module")
def local_workers():
    with open_executor(workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def dask_workers():
    with dask_cluster(2) as address, open_executor(address) as opened:
        yield opened


class TestLocal(ExecutorContract):
    @pytest.fixture
    def workers(self, local_workers):
        return local_workers


class TestDask(ExecutorContract):
    @pytest.fixture
    def workers(self, dask_workers):
        return dask_workers


@contextmanager
def dask_cluster(count: int):
    """A scheduler and its workers, each a process of its own, on the loopback device."""
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        cluster.wait_for_workers(count, timeout=300)
        yield cluster.scheduler_address
        # A worker that is still being started again cannot be stopped.
        cluster.wait_for_workers(count, timeout=300)


def test_a_local_worker_that_dies_is_one_error():
    with (
        pytest.raises(ClusterError, match="a worker of this machine was lost"),
        open_executor(workers=1) as workers,
    ):
        list(run_all(workers, calls.end, range(3)))


def test_threads_given_by_the_user_are_given_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with open_executor(workers=1):
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert "MKL_NUM_THREADS" not in os.environ


def test_an_error_in_the_block_does_not_wait_for_calls_under_way():
    def leave():
        with open_executor(workers=1) as workers:
            workers.submit(calls.linger, 3600)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from xopt.datasets import open_executor
        import worker_calls as calls

        if __name__ == "__main__":
            with open_executor(workers=1) as workers:
                print(workers.submit(calls.pid, 0).result(), flush=True)
                time.sleep(3600)
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.kill()
    while Path(f"/proc/{worker}").exists():
        time.sleep(0.05)


def test_a_scheduler_that_nobody_runs_is_one_error_in_bounded_time():
    pytest.importorskip("distributed")
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 within 1 s"):
        open_executor("tcp://127.0.0.1:9", timeout_s=1).__enter__()


def test_a_scheduler_without_workers_is_one_error_in_bounded_time():
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=":0", host="127.0.0.1") as cluster:
        opening = open_executor(cluster.scheduler_address, timeout_s=1)
        with pytest.raises(ClusterError, match="has no worker after 1 s; start some with `dask worker"):
            opening.__enter__()


@pytest.mark.parametrize("cluster", ["head:8786", "tcp:/head:8786", "dask", ""])
def test_other_addresses_are_refused(cluster):
    with pytest.raises(UsageError, match="takes tcp://HOST:PORT of a Dask scheduler, or mpi"):
        open_executor(cluster)


def test_no_workers_are_refused():
    with pytest.raises(UsageError, match="at least 1, got 0"):
        open_executor(workers=0)


def test_mpi_outside_of_an_mpi_program_says_how_to_start_one():
    with pytest.raises(ClusterError, match=r"mpiexec -n N python -m mpi4py\.futures -m xopt"):
        open_executor("mpi").__enter__()


RANKS = """
import os
from xopt.datasets import open_executor, run_all
import worker_calls as calls

if __name__ == "__main__":
    with open_executor("mpi") as workers:
        answers = dict(run_all(workers, calls.square, range(20)))
        seen = {answer for _number, answer in run_all(workers, calls.meet, ["met"] * 12)}
        threads = workers.submit(calls.threads, 0).result()
    print(workers.count, sum(answers.values()), len(seen), os.getpid() in seen, threads)
"""


def mpi(tmp_path, ranks, *launcher, command=("script.py",)):
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("no mpiexec beside this Python")
    (tmp_path / "script.py").write_text(RANKS)
    (tmp_path / "met").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    environment.pop("OMP_NUM_THREADS", None)
    return subprocess.run(
        [mpiexec, "-n", str(ranks), sys.executable, *launcher, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_ranks_of_an_mpi_program_share_the_work(tmp_path):
    done = mpi(tmp_path, 3, "-m", "mpi4py.futures")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "2470", "2", "False", "1"]


def test_a_single_rank_is_one_error(tmp_path):
    done = mpi(tmp_path, 1, "-m", "mpi4py.futures")
    assert done.returncode != 0
    assert "start it with mpiexec -n 2 or more" in done.stderr


def test_the_command_line_runs_on_the_ranks_of_an_mpi_program(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=np.arange(40) % 2)
    command = ["-m", "xopt", "data", "check", "x.npz", "--cluster", "mpi", "--json"]
    done = mpi(tmp_path, 3, "-m", "mpi4py.futures", command=command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 40


def test_a_dask_worker_that_dies_is_one_error():
    lost = pytest.raises(ClusterError, match=r"of the Dask cluster at .* was lost")
    with dask_cluster(1) as address, lost, open_executor(address) as workers:
        list(run_all(workers, calls.end, [0]))
