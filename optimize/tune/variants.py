"""The table of all variants of a tuning, with what is known of each so far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .latency import Timings, latency_stats
from .scoring import Score
from .search_space import Candidate, Graph
from .selection import VariantStats

Status = Literal["measured", "stopped", "failed", "left_out"]


@dataclass(kw_only=True)
class Row:
    """A variant, its status and its measurements."""

    candidate: Candidate
    status: Status = "measured"
    why: str | None = None
    """Why it was stopped, failed or was left out."""
    times: Timings | None = None
    """Of its longest measurement."""
    files: list[dict[str, Any]] | None = None
    """Finalists only: the rates of `LatencyBenchmark.files`."""
    macs: int | None = None
    kept_float: tuple[str, ...] = ()
    """Layers in floating point, by name."""

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    @property
    def function(self) -> str:
        """The function that it computes, by its graph's key."""
        return self.candidate.graph.key

    def end(self, status: Status, why: str) -> None:
        """Take the variant out."""
        self.status, self.why = status, why


@dataclass(kw_only=True)
class VariantTable:
    """The variants in the order of the report, and the scores of each function."""

    reference: Row
    """The row that latencies are compared with; AUCs are compared with its function's."""
    rows: list[Row]
    """All variants, the reference first."""
    gate: dict[str, Score] = field(default_factory=dict)
    """Scores by function on the gate split."""
    report: dict[str, Score] = field(default_factory=dict)
    """Scores by function on the report split."""

    @classmethod
    def of(cls, reference: Candidate, candidates: Sequence[tuple[Candidate, str | None]]) -> "VariantTable":
        """A table of all variants.

        Args:
            reference: put first where it is no candidate itself.
            candidates: with the reason why it is left out, or None.
        """
        rows = [
            Row(candidate=candidate, status="measured" if why is None else "left_out", why=why)
            for candidate, why in candidates
        ]
        first = next((row for row in rows if row.candidate == reference), Row(candidate=reference))
        return cls(reference=first, rows=[first, *(row for row in rows if row is not first)])

    def running(self) -> list[Row]:
        """The variants that are still in it."""
        return [row for row in self.rows if row.status == "measured"]

    def challengers(self) -> list[Row]:
        """The variants that are still in it, without the reference."""
        return [row for row in self.running() if row is not self.reference]

    def graphs(self) -> list[Graph]:
        """The graphs of the variants still in it, each once."""
        return list(dict.fromkeys(row.candidate.graph for row in self.running()))

    def of_function(self, function: str) -> list[Row]:
        """The variants of a function that are still in it."""
        return [row for row in self.running() if row.function == function]

    def row(self, name: str) -> Row:
        """The variant of this name."""
        return next(row for row in self.rows if row.name == name)

    def stats(self, *, choosable: bool = False) -> list[VariantStats]:
        """The statistics that the rules of selection see: of variants that have run, also stopped ones.

        `choosable` leaves out what no bundle holds.
        """
        return [
            self.stats_of(row)
            for row in self.rows
            if row.status in ("measured", "stopped")
            and row.times is not None
            and row.times.latency_ms
            and not (choosable and row.candidate.engine == "torch")
        ]

    def stats_of(self, row: Row) -> VariantStats:
        """The statistics of a variant that has run."""
        assert row.times is not None
        found = latency_stats(row.name, row.function, row.times.latency_ms)
        score = self.gate.get(row.function)
        if score is None:
            return found
        return replace(found, auc=score.result.candidate_auc, passes=score.result.verdict.passed)

    def take(self, times: dict[str, Timings]) -> None:
        """Take the measurements of a benchmark: a variant that failed or dropped out is no longer in it."""
        for row in self.running():
            found = times.get(row.name)
            if found is None:
                continue
            row.times = found
            if found.failed is not None:
                row.end("failed", found.failed)
            elif found.dropped is not None:
                row.end("stopped", found.dropped)

    def by_speed(self) -> Iterator[str]:
        """The functions of variants that have run, those with the fastest variant first."""
        medians: dict[str, float] = {}
        for stats in self.stats(choosable=True):
            medians[stats.function] = min(stats.median_ms, medians.get(stats.function, float("inf")))
        yield from sorted(medians, key=lambda function: medians[function])
