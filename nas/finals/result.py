"""The result of a finished search: the facts that its report and its JSON are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import __version__
from ...benchmarks.latency import in_words
from ...datasets import Dataset
from ...datasets.roles import without_pixels
from ...runtime.bundle.bundle import Bundle
from ...runtime.console import table as text_table
from ...train.recipe import Recipe
from ..hardware.finalist_latency import RealLatency
from ..hardware.latency_table import LatencyTable
from ..search.candidates import Candidate
from .comparing import Standing
from .settings import FinalsSettings
from .winner_bundle import Tested


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A candidate that was measured for real, and, unless it was dropped at once, trained again."""

    row: Candidate
    """As the search left it."""
    latency: RealLatency
    dropped: str = ""
    """Why it cannot win; empty where it can."""
    standing: Standing | None = None
    """Among the others; None where it was not trained again."""
    run: Path | None = None
    """The run folder of its best training."""
    won: bool = False

    @property
    def measured_words(self) -> str:
        """One line on its latency."""
        predicted = self.latency.predicted_ms
        beside = "" if predicted is None else f" (predicted {in_words(predicted)})"
        verdict = f"; dropped: {self.dropped}" if self.dropped else ""
        return f"{self.row.code}: {in_words(self.latency.latency_ms)} ms measured{beside}{verdict}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "architecture": self.row.code,
            "search_value": self.row.value,
            "parameters": self.row.parameters,
            "macs": self.row.macs,
            "latency": self.latency.to_json(),
            "dropped": self.dropped or None,
            "won": self.won,
            **({} if self.standing is None else self.standing.to_json()),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """A finished search."""

    search: str
    """The folder's name."""
    rows: tuple[Candidate, ...]
    """All candidates."""
    finalists: tuple[Finalist, ...]
    """Best first, those that were dropped unseen last."""
    bundle: Bundle
    tested: Tested | None
    """None where the data has no test split."""
    dataset: Dataset
    recipe: Recipe
    """Of the finals."""
    settings: FinalsSettings
    table: LatencyTable | None
    machine: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    """Of this run of the finals."""

    @property
    def winner(self) -> Finalist:
        """The finalist whose bundle this is."""
        return next(finalist for finalist in self.finalists if finalist.won)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        manifest = self.bundle.manifest
        return {
            "search": self.search,
            "winner": self.winner.row.code,
            "bundle": {
                "path": str(self.bundle.path),
                "digest": self.bundle.digest,
                "precision": manifest.precision,
                "gate": None if (gate := manifest.gate) is None else without_pixels(gate),
            },
            "candidates": [row.to_json() for row in self.rows],
            "finalists": [finalist.to_json() for finalist in self.finalists],
            "test": None if self.tested is None else self._test_json(self.tested),
            "latency_table": None if self.table is None else self._table_json(self.table),
            "settings": self.settings.to_json(),
            "data": {
                "name": self.dataset.name,
                "classes": list(self.dataset.classes),
                "splits": {
                    name: {"images": len(split), "digest": split.digest}
                    for name, split in self.dataset.splits.items()
                },
            },
            "machine": dict(self.machine),
            "xopt": __version__,
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """The finalists as a table, and the winner."""
        headings = ["finalist", "AUC", "95 % interval", "behind", "95 % interval", "parameters", "ms", ""]
        rows = [_cells(finalist) for finalist in self.finalists]
        return "\n".join([text_table(headings, rows), "", *self._sentences()])

    def _sentences(self) -> list[str]:
        winner, manifest = self.winner, self.bundle.manifest
        lines = [
            f"AUC on split val: mean over trainings ({self.settings.seeds} each), paired over patients.",
            f"Winner: {winner.row.code}, {manifest.precision}, {winner.row.parameters:,} parameters, "
            f"{in_words(winner.latency.latency_ms)} ms.",
        ]
        if self.tested is not None:
            facts = self.tested.scores.to_json()["mean"]
            once = "looked at once" if self.tested.looks == 1 else f"look {self.tested.looks} at it"
            interval = facts["auc_ci"]
            lines.append(
                f"Its bundle on split test ({once}): mean AUC {facts['auc']:.4f} "
                f"({interval[0]:.4f} .. {interval[1]:.4f})."
                if interval
                else "Split test has no class with both labels, so there is no AUC."
            )
        return lines

    def _test_json(self, tested: Tested) -> dict[str, Any]:
        return {**tested.scores.to_json(), "looks": tested.looks}

    def _table_json(self, table: LatencyTable) -> dict[str, Any]:
        keys = ("precision", "threads", "machine", "median_error", "p90_error", "margin", "repeat_error")
        facts = table.to_json()
        return {key: facts[key] for key in keys}


def _cells(finalist: Finalist) -> list[str]:
    standing = finalist.standing
    cells = ["-"] * 4
    if standing is not None:
        low, high = standing.interval.to_json()
        least, most = standing.behind_interval.to_json()
        behind = [f"{standing.behind:.4f}", f"{least:+.4f} .. {most:+.4f}"] if standing.behind else ["", ""]
        cells = [f"{standing.auc:.4f}", f"{low:.4f} .. {high:.4f}", *behind]
    remark = "winner" if finalist.won else finalist.dropped and f"dropped: {finalist.dropped}"
    latency = in_words(finalist.latency.latency_ms)
    return [finalist.row.code, *cells, f"{finalist.row.parameters:,}", latency, remark]
