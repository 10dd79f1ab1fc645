"""The folder of a search: what is in it, and that one process at a time works for it.

search.json  recipe.toml     what was asked for
search.db                    the candidates, an SQLite storage of Optuna, unless --storage says otherwise
results/                     one outcome a file, written by the worker
curves/                      the objective after each epoch
runs/CODE/                   run folders of the best candidates
"""

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import BusyError
from ...runtime.files import check_free, make_folder
from ...runtime.locks import is_locked, locked
from .candidates import Candidate, best_of
from .halving import Curves
from .settings import MARKER


@dataclass(frozen=True, kw_only=True)
class SearchFolder:
    """Paths of a search."""

    path: Path

    @property
    def results(self) -> Path:
        """Outcomes."""
        return self.path / "results"

    @property
    def runs(self) -> Path:
        """Run folders."""
        return self.path / "runs"

    @property
    def curves(self) -> Curves:
        """The objective after each epoch, of every candidate."""
        return Curves(folder=self.path / "curves")

    @property
    def storage(self) -> str:
        """URL of the storage that lies in the folder."""
        return f"sqlite:///{self.path.resolve() / 'search.db'}"

    @property
    def is_searching(self) -> bool:
        """True while a process works for this search."""
        return is_locked(self._lock)

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    def make(self, *, force: bool) -> None:
        """Start an empty folder.

        Raises:
            OutputError: something is there that may not be replaced, or a search is at work in it.
        """
        check_free(self.path, force=force, marker=MARKER)
        if self.is_searching:
            raise BusyError(self._busy)
        if self.path.is_dir():
            shutil.rmtree(self.path)
        make_folder(self.path)

    def locked(self) -> AbstractContextManager[None]:
        """Work for this search.

        Raises:
            OutputError: another process does, or the disk refused.
        """
        return locked(self._lock, self._busy)

    def prune(self, rows: Sequence[Candidate], keep: int) -> None:
        """Remove the run folders of all but the `keep` best candidates and those under way."""
        wanted = {row.code for row in best_of(rows)[:keep]} | {row.code for row in rows if row.is_open}
        for place in self.runs.glob("*") if self.runs.is_dir() else ():
            if place.name not in wanted and not place.name.startswith("."):
                shutil.rmtree(place, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a kill left half-written; only while nobody works here."""
        for place in (*self.path.glob(".*.part"), *self.path.glob("*/.*.part"), *self.path.glob("*/.*.old")):
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
                continue
            place.unlink(missing_ok=True)

    @property
    def _busy(self) -> str:
        return f"a search is at work in {self.path}; wait for it, or choose another --out"
