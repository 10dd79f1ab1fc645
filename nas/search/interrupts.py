"""Ctrl-C and SIGTERM end a search between two steps, never inside one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asked for the end while it may be obeyed at once.

    No Exception: whoever proposes networks may catch all of those.
    """


class Interrupts:
    """Signals that ask for the end, while the context is open. Only the main thread hears signals."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that asked for the end; None while none did."""
        self._obey_at_once = False

    @property
    def requested(self) -> bool:
        """True once a signal asked for the end."""
        return self.signal is not None

    @contextmanager
    def caught(self) -> Iterator["Interrupts"]:
        """Hear the signals from here on; what they did before is put back at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """In here nothing is half done: a signal ends the wait at once.

        Raises:
            Interrupted: the end was asked for, now or before.
        """
        self._obey_at_once = True
        try:
            if self.requested:
                raise Interrupted
            yield
        finally:
            self._obey_at_once = False

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        if self._obey_at_once:
            self._obey_at_once = False
            raise Interrupted
