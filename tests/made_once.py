"""What many tests start from is made once, by whichever process needs it first, and kept by content."""

import fcntl
import hashlib
import inspect
import shutil
import sysconfig
import time
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("datasets", "metrics", "models", "optimize", "runtime")
"""Folders of code that may have a part in what is made."""
KEPT_S = 24 * 3600
"""Seconds after which what other code made is removed."""


def made_once(config: pytest.Config, make: Callable[[Path], None], *contents: bytes) -> Path:
    """The folder that `make` fills, made anew only where code or libraries that decide about it have changed.

    `contents` are of files that decide as well. It lies in pytest's cache, for later runs too: nobody may
    write into it.
    """
    cache = config.cache
    assert cache is not None
    place = cache.mkdir("made")
    folder = place / f"{make.__name__}-{_digest(make, contents)}"
    with (place / f"{make.__name__}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for old in place.glob(f"{make.__name__}-*"):
                # Another run may be using a younger one.
                if time.time() - old.stat().st_mtime > KEPT_S:
                    shutil.rmtree(old)
            part = place / f"{make.__name__}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


def _digest(make: Callable[[Path], None], contents: Sequence[bytes]) -> str:
    """Of all code that may have a part in it, and of everything installed."""
    found = hashlib.sha256()
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    read = [path.read_bytes() for path in [*files, Path(inspect.getfile(make))]]
    for content in [*read, *contents]:
        found.update(hashlib.sha256(content).digest())
    # Of one folder: libraries such as setuptools put more of them on sys.path when they are imported, in one
    # process and not yet in another, and the two must come to the same digest.
    installed = distributions(path=[sysconfig.get_path("purelib")])
    found.update(repr(sorted((str(one.name), one.version) for one in installed)).encode())
    return found.hexdigest()[:16]
