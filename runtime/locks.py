"""Folders that one process at a time works in; the system lets go when that process ends, however it does."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BusyError, OutputError


@contextmanager
def locked(file: Path, busy: str) -> Iterator[None]:
    """Hold a lock file, which is made where it is absent and stays behind.

    Args:
        file: in a folder that is there.
        busy: what to say where another process holds it, in one line.

    Raises:
        BusyError: another process holds it, or has replaced its folder meanwhile.
        OutputError: the disk refused, or its file system knows no locks.
    """
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"cannot lock {file.parent}: {error.strerror or error}") from error
    try:
        _lock(handle, file, busy)
        yield
    finally:
        os.close(handle)


def is_locked(file: Path) -> bool:
    """Say whether a process holds a lock file now."""
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _lock(handle: int, file: Path, busy: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(handle), file.stat())
    except (BlockingIOError, FileNotFoundError) as error:
        raise BusyError(busy) from error
    except OSError as error:
        raise OutputError(
            f"cannot lock {file.parent}: {error.strerror or error}; choose a folder on another disk"
        ) from error
    if not same:
        # Its folder was replaced between opening and locking: this lock would keep nobody away.
        raise BusyError(busy)
