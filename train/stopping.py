"""SIGTERM and Ctrl-C ask a training to stop: it ends its step, saves, and says how to go on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Request:
    """Whether somebody asked."""

    def __init__(self) -> None:
        self.name: str | None = None
        """The signal's."""

    def __bool__(self) -> bool:
        return self.name is not None


@contextmanager
def listening(*, wanted: bool) -> Iterator[Request]:
    """Take SIGTERM and SIGINT as requests meanwhile; a second one acts as it did before.

    Only the main thread can: elsewhere, and where it is not wanted, nothing is changed.
    """
    request = Request()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def give_back() -> None:
        for number, handler in before.items():
            # None stands for a handler that Python did not set, and cannot set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ask(number: int, _frame: FrameType | None) -> None:
        request.name = signal.Signals(number).name
        give_back()

    for number in _SIGNALS:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        give_back()
