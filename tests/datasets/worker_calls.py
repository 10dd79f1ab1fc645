"""Functions that workers call in tests: they are found by name, so they stand in a module of their own."""

import os
import time
from pathlib import Path


def square(x: int) -> int:
    return x * x


def pid(_x: int) -> int:
    return os.getpid()


def meet(folder: str) -> int:
    """Say that this process is here, and wait until another one is, too."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.01)
    return os.getpid()


def threads(_x: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def end(_x: int) -> None:
    os._exit(3)


def linger(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()
