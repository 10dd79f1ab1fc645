"""The work folder of a tuning: its inputs, its results so far, and the seconds of each phase.

Beside OUT, as `OUT.tune`: bundles of all graphs, answers, latencies. A killed tuning goes on with the same
command; other settings, data or another machine are refused, since their figures could not be compared.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...runtime.errors import OutputError
from ...runtime.files import check_free, write_file

FILE = "tune.json"
LOCK = "lock"


class WorkFolder:
    """An open work folder. Make one with `open_folder`."""

    def __init__(self, path: Path, begun_with: dict[str, Any], facts: dict[str, Any]) -> None:
        self.path = path
        self._begun_with = begun_with
        self._facts = facts

    @property
    def resumed(self) -> int:
        """The number of times that this tuning was resumed."""
        return int(self._facts["resumed"])

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds per phase, over all runs."""
        return {phase: round(value, 2) for phase, value in self._facts["seconds"].items()}

    def get(self, name: str) -> Any:
        """The value kept under a name; None where there is none."""
        return self._facts["kept"].get(name)

    def keep(self, name: str, value: Any) -> None:
        """Keep a plain JSON value; on the disk when this returns."""
        self._facts["kept"][name] = value
        self.save()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds within towards a phase, also where the tuning then fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = self._facts["seconds"]
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
            self.save()

    def save(self) -> None:
        """Write everything, completely or not at all."""
        content = {"begun_with": self._begun_with, **self._facts}
        write_file(self.path / FILE, json.dumps(content, allow_nan=False) + "\n", force=True)


@contextmanager
def open_folder(path: Path, begun_with: dict[str, Any], *, force: bool = False) -> Iterator[WorkFolder]:
    """Begin a tuning, or resume one.

    Args:
        path: the work folder.
        begun_with: plain JSON values that have to be the same when it is resumed.
        force: begin anew where they are not.

    Raises:
        OutputError: the tuning in the folder was begun with something else, or runs right now; or the folder
            is none of ours, or cannot be written.
    """
    if path.exists() and not _holds_only_lock(path):
        check_free(path, force=True, marker=FILE)
    try:
        path.mkdir(exist_ok=True)
        lock = (path / LOCK).open("w")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"another xopt tune works in {path} right now; choose another --out") from None
        yield _resume(path, begun_with, force=force)


def _resume(path: Path, begun_with: dict[str, Any], *, force: bool) -> WorkFolder:
    # What JSON makes of a value is what will be read back.
    wanted = json.loads(json.dumps(begun_with))
    fresh: dict[str, Any] = {"kept": {}, "seconds": {}, "resumed": 0}
    try:
        found = json.loads((path / FILE).read_text())
        facts = {key: found[key] for key in fresh}
        before = found["begun_with"]
    except (OSError, ValueError, KeyError, TypeError):
        return _begin(path, wanted, fresh)
    changed = differences(before, wanted)
    if changed and not force:
        raise OutputError(
            f"{path} holds a tuning that was begun with {changed[0]}; give what it was begun with to go on, "
            "choose another --out, or add --force to begin anew"
        )
    if changed:
        return _begin(path, wanted, fresh)
    facts["resumed"] += 1
    folder = WorkFolder(path, wanted, facts)
    folder.save()
    return folder


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """The differences between two JSON values, each as `name 3, not 4`."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in [*before, *(key for key in now if key not in before)]:
            found += differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        return found
    return [] if before == now else [f"{name} {_short(before)}, not {_short(now)}"]


def _begin(path: Path, wanted: dict[str, Any], fresh: dict[str, Any]) -> WorkFolder:
    # The file that marks the folder as ours goes last, so that a kill in between leaves it so.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == FILE):
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    folder = WorkFolder(path, wanted, fresh)
    folder.save()
    return folder


def _holds_only_lock(path: Path) -> bool:
    """Whether a folder holds the lock alone, as a kill right at the beginning leaves it."""
    return path.is_dir() and [entry.name for entry in path.iterdir()] == [LOCK]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
