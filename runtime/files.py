"""Outputs that are complete or absent: written beside their place, flushed to disk, then renamed."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from .errors import OutputError


def check_free(path: Path, *, force: bool = False, marker: str = "manifest.json") -> None:
    """Check before long work that a result may be written at `path`.

    Args:
        path: the file or folder to be written.
        force: replace what is there. A folder is replaced only if it holds `marker`, so that a
            mistyped path cannot remove somebody's data.
        marker: file name that tells one of our folders.

    Raises:
        OutputError: something is there that may not be replaced, or the parent folder is missing.
    """
    if not path.parent.is_dir():
        raise OutputError(f"no folder {path.parent} to write {path.name} in; make it first")
    if not os.path.lexists(path):
        return
    if not force:
        raise OutputError(f"{path} exists already; choose another --out, or add --force to replace it")
    if path.is_symlink():
        raise OutputError(f"{path} is a link; remove it or choose another --out")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise OutputError(f"{path} is a folder without {marker}, not one of xopt's; choose another --out")


def make_folder(path: Path) -> None:
    """Make a folder to write several files in, if it is not there yet.

    Raises:
        OutputError: its parent is missing, something else is in its place, or the disk refused.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make folder {path}: {error.strerror or error}") from error


@contextmanager
def staged_folder(path: Path, *, force: bool = False, marker: str = "manifest.json") -> Iterator[Path]:
    """Yield an empty sibling folder; on success it takes the place of `path` in one rename, else it is gone.

    Raises:
        OutputError: `path` may not be replaced (see `check_free`), or the disk refused.
    """
    check_free(path, force=force, marker=marker)
    stage = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        stage.mkdir()
        yield stage
        for file in stage.rglob("*"):
            sync(file)
        sync(stage)
        # Somebody else may have been quicker.
        check_free(path, force=force, marker=marker)
        _swap(stage, path)
        sync(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_file(path: Path, content: bytes | str, *, force: bool = False) -> None:
    """Write a file completely or not at all.

    Raises:
        OutputError: the file exists and `force` is not given, or the disk refused.
    """
    check_free(path, force=force)
    stage = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        stage.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(stage)
        stage.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        stage.unlink(missing_ok=True)


def read_regular(path: Path, *, limit: int) -> bytes:
    """Read a regular file, never through a link at its last step, at most `limit` bytes.

    Raises:
        OSError: it cannot be read, is a link, is no regular file, or is larger than `limit`.
    """
    # Without O_NONBLOCK the open of a FIFO would wait for a writer for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError("not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(f"larger than {limit} bytes")
    return content


def _swap(stage: Path, path: Path) -> None:
    if not path.exists():
        stage.rename(path)
        return
    # A rename cannot replace a filled folder: the old one steps aside and is removed only afterwards.
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.old")
    path.rename(aside)
    try:
        stage.rename(path)
    except OSError:
        aside.rename(path)
        raise
    if aside.is_dir():
        shutil.rmtree(aside)
        return
    aside.unlink()


def sync(path: Path) -> None:
    """Have a file's or folder's content on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
