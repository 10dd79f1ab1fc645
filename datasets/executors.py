"""Executors of parallel work: processes of this machine, a Dask cluster, or the ranks of an MPI program.

    with open_executor("tcp://head:8786") as executor:
        for number, answer in run_all(executor, function, arguments):
            ...

All three are `concurrent.futures` executors; functions and their arguments must be picklable, and a cluster's
workers need the same version of xopt.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

from ..runtime.backends.base import usable_cores
from ..runtime.errors import ClusterError, UsageError

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")

MPI = "mpi"
DASK = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
"""What an address of a Dask scheduler starts with."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Workers(Executor):
    """An executor that knows how many calls run at a time."""

    def __init__(self, inner: Executor, count: int, *, where: str) -> None:
        self._inner = inner
        self.count = count
        """Calls that run at a time, counted when the workers were reached; at least 1."""
        self.where = where
        """In words, for messages."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker call `fn`.

        Raises:
            ClusterError: the workers are gone.
        """
        try:
            return self._inner.submit(fn, *args, **kwargs)
        except (BrokenExecutor, RuntimeError) as error:
            raise self.lost(error) from error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers go."""
        self._inner.shutdown(wait=wait, cancel_futures=cancel_futures)

    def result(self, future: Future[T]) -> T:
        """The value that a finished call returned.

        Raises:
            ClusterError: the worker that ran it was lost.
            Exception: whatever the call itself raised.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise self.lost(error) from error
        except Exception as error:
            # Dask's own words for a call that took several workers with it; its class would import Dask.
            if type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError"):
                raise self.lost(error) from error
            raise

    def lost(self, error: BaseException) -> ClusterError:
        """The error that says so when workers are gone."""
        said = " ".join(str(error).split())[:200]
        return ClusterError(
            f"a worker of {self.where} was lost ({type(error).__name__}{': ' * bool(said)}{said}); it may "
            "have been killed or run out of memory: give it less work at a time, and start again"
        )


def open_executor(
    cluster: str | None = None, workers: int | None = None, *, timeout_s: float = 20.0
) -> AbstractContextManager[Workers]:
    """Open workers, and let go of them at the end of the `with` block.

    Local processes are started afresh (spawn), have one thread each, and end with this process, however it
    ends. An exception that leaves the block kills what they are at.

    Args:
        cluster: None for processes of this machine; `tcp://HOST:PORT` for a Dask scheduler; `mpi` for the
            ranks of `mpiexec -n N python -m mpi4py.futures -m xopt ...`.
        workers: calls at a time; None takes as many as there are CPUs or workers.
        timeout_s: seconds to wait for a cluster and its first worker.

    Raises:
        UsageError: an address of another kind, or fewer than one worker.
        ClusterError: the cluster cannot be reached in time, has no worker, or its workers cannot run xopt.
        DependencyError: the extra `cluster` is not installed.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"the number of workers must be at least 1, got {workers}")
    if cluster is None:
        return _local(workers or usable_cores())
    if cluster == MPI:
        return _mpi(workers)
    if not cluster.startswith(DASK):
        raise UsageError(f"--cluster takes tcp://HOST:PORT of a Dask scheduler, or {MPI}, got {cluster!r}")
    return _dask(cluster, workers, timeout_s)


def run_all(
    workers: Workers, function: Callable[[S], T], arguments: Iterable[S], *, ahead: int = 2
) -> Iterator[tuple[int, T]]:
    """Call `function` on each argument, and yield the number of the argument and the answer as they come.

    Arguments are taken as workers become free, at most `ahead` times `workers.count` before their answers.

    Raises:
        ClusterError: a worker was lost.
        Exception: the first that a call raises.
    """
    running: dict[Future[T], int] = {}
    try:
        for number, argument in enumerate(arguments):
            running[workers.submit(function, argument)] = number
            if len(running) >= ahead * workers.count:
                yield from _finished(workers, running)
        while running:
            yield from _finished(workers, running)
    finally:
        for future in running:
            future.cancel()


def _finished(workers: Workers, running: dict[Future[T], int]) -> Iterator[tuple[int, T]]:
    done, _rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), workers.result(future)


@contextmanager
def _local(count: int) -> Iterator[Workers]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_start_local)
    workers = Workers(pool, count, where="this machine")
    given = {name: os.environ[name] for name in _ONE_THREAD if name in os.environ}
    try:
        # Libraries size their thread pools by these when they are first imported, and a script's own imports
        # come before any initializer. A call that finds no idle process starts one.
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
        ready = [pool.submit(_version) for _ in range(count)]
    finally:
        for name in _ONE_THREAD:
            os.environ.pop(name)
        os.environ.update(given)
    try:
        for call in ready:
            workers.result(call)
        yield workers
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True, cancel_futures=True)


def _start_local() -> None:
    import multiprocessing

    _use_one_thread()
    # Ctrl-C reaches the whole process group; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A parent that is killed cannot tell its workers, and their queue would never end.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _use_one_thread() -> None:
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))


def _end_with(sentinel: int) -> None:
    from multiprocessing.connection import wait as wait_for

    wait_for([sentinel])
    os._exit(1)


@contextmanager
def _dask(address: str, workers: int | None, timeout_s: float) -> Iterator[Workers]:
    from ..runtime.requires import need

    need("distributed", extra="cluster")
    import distributed

    with ExitStack() as stack:
        try:
            client = stack.enter_context(
                distributed.Client(  # type: ignore[no-untyped-call]
                    address, timeout=timeout_s, set_as_default=False, name="xopt"
                )
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {address} within {timeout_s:g} s; start one with "
                "`dask scheduler`, and check the address"
            ) from error
        try:
            client.wait_for_workers(1, timeout=timeout_s)
        except TimeoutError as error:
            raise ClusterError(
                f"the Dask scheduler at {address} has no worker after {timeout_s:g} s; start some with "
                f"`dask worker {address} --nthreads 1`"
            ) from error
        _check_versions(client, address, timeout_s)
        count = sum(client.nthreads().values())
        # Calls are no pure functions to Dask: equal ones would be run once and share an answer.
        executor = client.get_executor(pure=False)
        yield Workers(executor, min(workers or count, count), where=f"the Dask cluster at {address}")


def _check_versions(client: Any, address: str, timeout_s: float) -> None:
    """Have every worker say its version of xopt."""
    calls = {
        name: client.submit(_version, workers=[name], pure=False)
        for name in client.scheduler_info(n_workers=-1)["workers"]
    }
    for name, call in calls.items():
        try:
            version = call.result(timeout=timeout_s)
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise ClusterError(
                f"worker {name} of the Dask cluster at {address} cannot run xopt ({type(error).__name__}: "
                f"{said}); install xopt {_version()} there"
            ) from error
        if version != _version():
            raise ClusterError(
                f"worker {name} of the Dask cluster at {address} has xopt {version}, this is {_version()}; "
                "install the same version there"
            )


@contextmanager
def _mpi(workers: int | None) -> Iterator[Workers]:
    from ..runtime.requires import need

    need("mpi4py", extra="cluster")
    # Looked at before MPI is, which would otherwise start as a program of one rank, or wait for others.
    if "mpi4py.futures" not in sys.orig_argv:
        raise ClusterError(
            f"--cluster {MPI} needs ranks to run on; start it with: "
            "mpiexec -n N python -m mpi4py.futures -m xopt ..."
        )
    from mpi4py import MPI as mpi  # noqa: N811
    from mpi4py.futures import MPIPoolExecutor

    ranks = mpi.COMM_WORLD.Get_size()
    if ranks < 2:
        raise ClusterError(
            "MPI runs a single rank, and the first one hands out the work; start it with mpiexec -n 2 or more"
        )
    with MPIPoolExecutor(initializer=_use_one_thread) as pool:
        yield Workers(pool, min(workers or ranks - 1, ranks - 1), where=f"the MPI program of {ranks} ranks")


def _version() -> str:
    from .. import __version__

    return __version__
