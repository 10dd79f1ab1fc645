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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...runtime.errors import OutputError
from ...runtime.files import check_free, write_file
from ...runtime.schema import SchemaError, from_json, to_facts

FILE = "tune.json"
LOCK = "lock"


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """The content of tune.json."""

    begun_with: dict[str, Any]
    """Plain JSON values that have to be the same when the tuning is resumed."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Results so far, by name."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each phase, over all runs."""
    resumed: int = 0


class WorkFolder:
    """An open work folder. Make one with `open_folder`."""

    def __init__(self, path: Path, facts: _Facts) -> None:
        self.path = path
        self._facts = facts

    @property
    def resumed(self) -> int:
        """The number of times that this tuning was resumed."""
        return self._facts.resumed

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds per phase, over all runs."""
        return {phase: round(value, 2) for phase, value in self._facts.seconds.items()}

    def get(self, name: str) -> Any:
        """The value kept under a name; None where there is none."""
        return self._facts.kept.get(name)

    def keep(self, name: str, value: Any) -> None:
        """Keep a plain JSON value; on the disk when this returns."""
        self._facts.kept[name] = value
        self.save()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds within towards a phase, also where the tuning then fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = self._facts.seconds
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
            self.save()

    def save(self) -> None:
        """Write everything, completely or not at all."""
        write_file(self.path / FILE, json.dumps(to_facts(self._facts), allow_nan=False) + "\n", force=True)


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
    if not (path / FILE).exists():
        return _begin(path, wanted)
    before: _Facts | None = None
    try:
        before = from_json(_Facts, (path / FILE).read_bytes())
        changed = [f"begun with {each}" for each in differences(before.begun_with, wanted)]
    except (OSError, SchemaError) as error:
        changed = [f"damaged ({FILE}: {error})"]
    if changed and not force:
        raise OutputError(
            f"{path} holds a tuning that was {changed[0]}; give what it was begun with to go on, "
            "choose another --out, or add --force to begin anew"
        )
    if changed or before is None:
        return _begin(path, wanted)
    folder = WorkFolder(path, replace(before, resumed=before.resumed + 1))
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


def _begin(path: Path, wanted: dict[str, Any]) -> WorkFolder:
    # The file that marks the folder as ours goes last, so that a kill in between leaves it so.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == FILE):
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    folder = WorkFolder(path, _Facts(begun_with=wanted))
    folder.save()
    return folder


def _holds_only_lock(path: Path) -> bool:
    """True if a folder holds the lock alone, as a kill right at the beginning leaves it."""
    return path.is_dir() and [entry.name for entry in path.iterdir()] == [LOCK]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
