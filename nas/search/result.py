"""The result of a search, as a table and as JSON; read from its folder while it runs and after."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...runtime.console import table
from ...runtime.errors import UsageError
from .candidates import Candidate, State, best_of
from .folder import SearchFolder
from .settings import SearchSettings, read_settings
from .storage import open_study
from .trial_store import read_candidates

OBJECTIVE = "val mean AUC"


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A search and its candidates."""

    folder: Path
    settings: SearchSettings
    rows: tuple[Candidate, ...]
    """By number."""
    searching: bool
    """Whether a process works for it now."""
    owner: str
    """The id of the folder; candidates with another one are another machine's."""
    ended: str = ""
    """Why it ended, in words; empty where that is not known."""

    def best(self, count: int = 1) -> list[Candidate]:
        """Up to `count` whole trainings, best first."""
        return best_of(self.rows)[:count]

    def run_folder(self, row: Candidate) -> Path | None:
        """The run folder with a candidate's checkpoint; only the best ones keep theirs."""
        run = SearchFolder(path=self.folder).runs / row.code
        return run if run.is_dir() else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        best = self.best()
        return {
            "search": str(self.folder),
            "state": self._state,
            "ended": self.ended or None,
            "objective": OBJECTIVE,
            "space": self.settings.space,
            "proposer": self.settings.proposer,
            "budget": asdict(self.settings.budget),
            "best": self._row(best[0]) if best else None,
            "running": [row.code for row in self.rows if row.state is State.RUNNING and self.searching],
            "candidates": [self._row(row) for row in self.rows],
        }

    def to_text(self) -> str:
        """A row a candidate: iteration, architecture, AUC, parameters, memory, hours, epochs, latency."""
        timed = any(row.latency_ms is not None for row in self.rows)
        headings = ["iteration", "architecture", "AUC", "parameters", "MB", "hours", "epochs"]
        headings += ["ms"] * timed
        rows = [[*_cells(row), *([_number(row.latency_ms, ".3f")] if timed else [])] for row in self.rows]
        rows = [[*cells, self._remark(row)] for cells, row in zip(rows, self.rows, strict=True)]
        return f"{table([*headings, ''], rows, left=2)}\n\n{self._summary()}"

    @property
    def _state(self) -> str:
        if self.searching:
            return "running"
        return "interrupted" if any(row.is_open for row in self.rows) else "ended"

    def _row(self, row: Candidate) -> dict[str, Any]:
        run = self.run_folder(row)
        mine = row.owner == self.owner
        lost = row.state is State.RUNNING and mine and not self.searching
        state = State.WAITING if lost else row.state
        return {**row.to_json(), "state": str(state), "run": None if run is None else str(run)}

    def _remark(self, row: Candidate) -> str:
        if row.is_open and row.owner != self.owner:
            return f"{row.state}, elsewhere"
        if row.state is State.RUNNING:
            return "running" if self.searching else "waits for --resume"
        remarks = {
            State.WAITING: "waits for --resume",
            State.STOPPED: "stopped early",
            State.FAILED: f"failed: {row.reason[:60]}",
            State.DONE: "from the cache" if row.cached else "",
        }
        best = self.best()
        return "best" if best and best[0].code == row.code else remarks[row.state]

    def _summary(self) -> str:
        best = self.best()
        done = sum(not row.is_open for row in self.rows)
        said = f"{done} of {self.settings.budget.candidates} candidates"
        said += f"; {self.ended or self._state}"
        if not best:
            return said
        return f"{said}; best: {best[0].code}, {OBJECTIVE} {best[0].value:.4f}"


def read_search(folder: Path, *, storage: str | None = None) -> SearchResult:
    """Read a search's folder, whether or not a process works for it.

    Args:
        folder: as given to `xopt nas search --out`.
        storage: the URL with its password, where the folder's has been written without.

    Raises:
        DataError: no search is there, or its storage cannot be read.
        UsageError: its storage needs a password.
    """
    settings, facts = read_settings(folder)
    place = SearchFolder(path=folder)
    url = storage_url(place, settings, storage)
    study = open_study(url, settings.study or folder.resolve().name, create=False)
    return SearchResult(
        folder=folder,
        settings=settings,
        rows=tuple(read_candidates(study, url)),
        searching=place.is_searching,
        owner=str(facts["id"]),
        ended=study.user_attrs.get(f"ended {facts['id']}", ""),
    )


def storage_url(place: SearchFolder, settings: SearchSettings, given: str | None) -> str:
    """The URL of a search's storage.

    Raises:
        UsageError: its password was not written down and not given again.
    """
    url = given or settings.storage or place.storage
    if ":***@" in url:
        raise UsageError(f"the storage {url} has a password; give it again with --storage")
    return url


def _cells(row: Candidate) -> list[str]:
    hours = f"{row.seconds / 3600:.4f}" if row.seconds else "-"
    return [
        str(row.number),
        row.code,
        _number(row.value, ".4f"),
        f"{row.parameters:,}",
        f"{row.memory_mb:.1f}",
        hours,
        str(row.epochs or "-"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
