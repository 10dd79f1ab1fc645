"""Storage of a search's candidates that others can see too: any storage of Optuna.

A folder of one machine has an SQLite file. Many machines share a database server, or a journal: a file on a
network disk to which each appends.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...runtime.errors import DataError, DependencyError, UsageError
from ...runtime.requires import need
from ..proposers.optuna_samplers import quiet_optuna

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

JOURNAL = "journal:"
"""How the URL of a journal begins; a path follows."""

_BUSY_S = 60.0
_TAIL = 1 << 20


def open_study(url: str, name: str, *, create: bool) -> "Study":
    """Open a study of maximization.

    Args:
        url: `journal:FILE`, or a database URL as SQLAlchemy reads it.
        name: the study's name in the storage.
        create: make it where it is not there yet.

    Raises:
        DataError: the storage cannot be read or reached, or has no such study.
        UsageError: the URL is none.
        DependencyError: optuna or the database's driver is not installed.
    """
    need("optuna", extra="nas")
    import optuna

    with reading(url), quiet_optuna():
        storage = _open(url)
        try:
            if create:
                return optuna.create_study(
                    storage=storage, study_name=name, direction="maximize", load_if_exists=True
                )
            return optuna.load_study(storage=storage, study_name=name)
        except KeyError:
            raise DataError(
                f"no search {name!r} in {without_password(url)}; give the --study it was started with"
            ) from None


def without_password(url: str) -> str:
    """A storage URL as it may be shown and written down."""
    if url.startswith(JOURNAL):
        return url
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Turn what a storage raises into one line.

    Raises:
        DataError: it cannot be read, reached or written.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, OSError) as error:
        cause = error.__cause__ or error
        said = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise DataError(
            f"the storage {without_password(url)} cannot be used: {said}; if it is damaged, move it away and "
            "add --resume: the candidates that ended come back from the search's own folder"
        ) from error


def _open(url: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage, get_storage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL))
        _check_journal(path)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=_mending_lock(path)))
    try:
        place = make_url(url)
        sqlite = place.get_backend_name() == "sqlite"
        if sqlite and place.database:
            _make_sqlite(Path(place.database))
        # Readers such as a dashboard hold SQLite's file for moments; without patience that is an error.
        options: dict[str, Any] = (
            {"connect_args": {"timeout": _BUSY_S}} if sqlite else {"pool_pre_ping": True}
        )
        return get_storage(RDBStorage(url, engine_kwargs=options))
    except ArgumentError:
        raise UsageError(
            f"--storage {url!r} is no URL; such are sqlite:///FILE, postgresql://USER@HOST/NAME, journal:FILE"
        ) from None
    except ImportError as error:
        raise DependencyError(
            f"the driver of {without_password(url)} is not installed ({error.__cause__ or error}); "
            "for PostgreSQL: pip install psycopg2-binary"
        ) from error


def _make_sqlite(path: Path) -> None:
    """Lay an SQLite file out beside its place, so that a crash leaves none with half of its tables."""
    from optuna.storages import RDBStorage

    if path.exists():
        return
    if not path.parent.is_dir():
        raise DataError(f"no folder {path.parent} for the storage {path.name}; make it first")
    stage = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        RDBStorage(f"sqlite:///{stage}").engine.dispose()
        # Two searches may be starting at the same time; the first one's file stays.
        with suppress(FileExistsError):
            path.hardlink_to(stage)
    finally:
        stage.unlink(missing_ok=True)


def _mending_lock(path: Path) -> Any:
    """Optuna's lock for journals, under which a torn last line is cut off before anything is appended.

    A machine that dies while it appends leaves half a line. Optuna reads past it, but whatever is appended
    joins it to a line that nobody can read, and with it the whole study.
    """
    from optuna.storages.journal import JournalFileSymlinkLock

    class MendingLock(JournalFileSymlinkLock):
        def acquire(self) -> bool:
            held: bool = super().acquire()
            try:
                _mend(path)
            except BaseException:
                self.release()
                raise
            return held

    return MendingLock(str(path))


def _mend(path: Path) -> None:
    """Cut off what follows the last whole line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"\n") + 1
        while end and not _is_record(tail[:end]):
            end = tail.rfind(b"\n", 0, end - 1) + 1
        if end == len(tail) or (start and not end):
            return
        file.truncate(start + end)


def _is_record(lines: bytes) -> bool:
    """True where the last line is a journal's; a disk that lost power can leave zeros in its place."""
    try:
        return isinstance(json.loads(lines[lines.rfind(b"\n", 0, -1) + 1 :]), dict)
    except ValueError:
        return False


def _check_journal(path: Path) -> None:
    """Every line but the last, which is mended when something is appended, has to be readable.

    Raises:
        DataError: one is not, or there is no folder for the journal.
    """
    if not path.parent.is_dir():
        raise DataError(f"no folder {path.parent} for the journal {path.name}; make it first")
    if not path.exists():
        return
    _mend_alone(path)
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        try:
            json.loads(line)
        except ValueError:
            raise DataError(
                f"the journal {path} is damaged in line {number}; move it away and add --resume: "
                "the candidates that ended come back from the search's own folder"
            ) from None


def _mend_alone(path: Path) -> None:
    lock = _mending_lock(path)
    lock.acquire()
    lock.release()
