"""A process of its own for each variant, idle while another one runs.

Thread pools of two engines in one process disturb each other, and memory and start-up could not be told
apart. These are plain subprocesses: multiprocessing's spawn would import the caller's main module into each
of them, and its memory and time would be booked to the variant.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ..runtime import errors

_GRACE_S = 5.0
_LOOK_S, _PATIENCE_S = 0.001, 0.5


class Opener(Protocol):
    """Plain values that travel to the worker and become the thing that answers there."""

    def open(self) -> Any:
        """Called once, in the worker."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The value that a worker's method returned, and the seconds it took."""

    value: Any
    seconds: float
    """Spent in the method itself: sending arguments and results is not counted."""


class Worker:
    """One process with one opened thing in it. Use as a context manager.

    Args:
        name: what to call it in errors.
        opener: sent to the process, which opens it before it answers the first call.
        environment: variables to set in the process.
    """

    def __init__(self, name: str, opener: Opener, *, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.started_at = time.perf_counter()
        """When the process was started, as time.perf_counter counts."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._connection, theirs = Pipe()
        # The child finds modules where this process does, also where a test or notebook changed sys.path.
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # What libraries print must not mix with our own output, --json's least of all.
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        )
        theirs.close()
        self._send(opener)

    def call(self, method: str, *arguments: Any) -> Answer:
        """Call a method of the opened thing and wait for what it returns.

        Raises:
            XoptError: it raised one (of the same kind), raised something else, or the process died.
        """
        self._send((method, arguments))
        try:
            kind, value, seconds = self._connection.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if kind is None:
            return Answer(value=value, seconds=seconds)
        family = getattr(errors, kind, errors.XoptError)
        raise family(f"{self.name}: {value}")

    def settle(self) -> None:
        """Wait until the process has gone idle, half a second at most.

        Thread pools look out for more work after an answer, on all cores: ONNX Runtime's for some 40 ms,
        PyTorch's for some 5 ms. Without this the next variant would pay for that.
        """
        until = time.perf_counter() + _PATIENCE_S
        while self._is_running() and time.perf_counter() < until:
            time.sleep(_LOOK_S)

    def peak_rss_mb(self) -> float | None:
        """The most memory the process ever held, in 1e6 bytes; None where the system does not tell."""
        peak: float | None = self.call("").value
        return peak

    def close(self) -> None:
        """End the process; one that is busy is killed."""
        self._connection.close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """True if the process is gone."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process at once, whatever it does; a call that waits for it raises."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # It may be minutes deep in a compilation; nobody wants its answer any more.
            self._process.kill()
        self.close()

    def _is_running(self) -> bool:
        # By state, not by time used: a spinning thread that the system has set aside uses none for a while.
        for thread in Path(f"/proc/{self._process.pid}/task").glob("*/stat"):
            try:
                if thread.read_text().rpartition(")")[2].split()[:1] == ["R"]:
                    return True
            except OSError:
                # This thread has just ended.
                continue
        return False

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._died() from None

    def _died(self) -> errors.XoptError:
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        self._log.seek(0)
        said = [
            line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()
        ]
        last = f"; its last words: {said[-1]}" if said else ""
        return errors.XoptError(f"the process of {self.name} {how}{hint}{last}")


def serve(handle: int) -> None:
    """The worker's life: open what arrives first, then answer calls until the other side closes.

    An empty method name asks for the peak memory.
    """
    # Ctrl-C reaches the whole process group; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(handle)
    thing: Any = None
    opener = connection.recv()
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            if thing is None:
                thing = opener.open()
            if not method:
                connection.send((None, _peak_rss_mb(), 0.0))
                continue
            function = getattr(thing, method)
            start = time.perf_counter()
            value = function(*arguments)
            seconds = time.perf_counter() - start
            connection.send((None, value, seconds))
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the other process has to tell it
            connection.send((*_told(error), 0.0))


def _told(error: Exception) -> tuple[str, str]:
    kind = type(error).__name__
    said = " ".join(str(error).split())
    return kind, said if isinstance(error, errors.XoptError) else f"{kind}: {said}"


def _peak_rss_mb() -> float | None:
    # Not getrusage's ru_maxrss: that one starts at the parent's size, which fork hands down and exec keeps.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None
