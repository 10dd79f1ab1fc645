"""All variants of a tuning and what is known of each so far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...metrics.bootstrap import AucIntervals
from ..gate.gate import GateResult
from .latency_race import Times, standing
from .plan import Candidate, Graph
from .selection import Objective, Standing

Status = Literal["measured", "stopped", "failed", "left_out"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """A function's answers for a split, held against the reference's."""

    answers_NC: NDArray[np.float32]
    intervals: AucIntervals
    """Of its own AUCs."""
    result: GateResult
    """Its drop, with bounds and the verdict."""


@dataclass(kw_only=True)
class Row:
    """A variant."""

    candidate: Candidate
    status: Status = "measured"
    why: str | None = None
    """Why it was stopped, failed or was left out."""
    times: Times | None = None
    """Of its longest race."""
    files: list[dict[str, Any]] | None = None
    """Finalists only: what `Race.files` found."""
    macs: int | None = None
    kept_float: tuple[str, ...] = ()
    """Layers in floating point, by name."""

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    @property
    def function(self) -> str:
        """What it computes."""
        return self.candidate.graph.key

    def end(self, status: Status, why: str) -> None:
        """Take the variant out."""
        self.status, self.why = status, why


@dataclass(kw_only=True)
class Board:
    """The variants, in the order of the report, and what each function was found to be worth."""

    objective: Objective
    reference: Row
    """The row that latencies are held against."""
    function: str
    """What AUCs are held against."""
    rows: list[Row]
    """All variants, the reference first."""
    gate: dict[str, Score] = field(default_factory=dict)
    """By function, on the split that decides."""
    report: dict[str, Score] = field(default_factory=dict)
    """By function, on the split that is the claim."""

    def running(self) -> list[Row]:
        """The variants that are still in it."""
        return [row for row in self.rows if row.status == "measured"]

    def graphs(self) -> list[Graph]:
        """The graphs of the variants still in it, each once."""
        return list(dict.fromkeys(row.candidate.graph for row in self.running()))

    def of(self, function: str) -> list[Row]:
        """The variants of a function that are still in it."""
        return [row for row in self.running() if row.function == function]

    def row(self, name: str) -> Row:
        """The variant of this name."""
        return next(row for row in self.rows if row.name == name)

    def standings(self, *, choosable: bool = False) -> list[Standing]:
        """What the rules look at: variants that have run, also those that were stopped.

        `choosable` leaves out what no bundle holds.
        """
        return [
            self.standing(row)
            for row in self.rows
            if row.status in ("measured", "stopped")
            and row.times is not None
            and row.times.latency_ms
            and not (choosable and row.candidate.engine == "torch")
        ]

    def standing(self, row: Row) -> Standing:
        """What the rules see of a variant that has run."""
        assert row.times is not None
        found = standing(row.name, row.function, row.times.latency_ms)
        scored = self.gate.get(row.function)
        if scored is None:
            return found
        return replace(found, auc=scored.result.candidate_auc, passes=scored.result.verdict.passed)

    def take(self, times: dict[str, Times]) -> None:
        """Take what a race found: whoever failed or dropped out is no longer in it."""
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
        """The functions of variants still in it, those with the fastest variant first."""
        medians: dict[str, float] = {}
        for one in self.standings(choosable=True):
            medians[one.function] = min(one.median_ms, medians.get(one.function, float("inf")))
        yield from sorted(medians, key=lambda function: medians[function])


def make_board(
    objective: Objective,
    reference: Candidate,
    candidates: Sequence[tuple[Candidate, str | None]],
) -> Board:
    """A board with all variants on it.

    Args:
        objective: what is looked for.
        reference: what latencies are held against; it is put first where it is no candidate itself.
        candidates: with the reason why it is left out, or None.
    """
    rows = [
        Row(candidate=candidate, status="measured" if why is None else "left_out", why=why)
        for candidate, why in candidates
    ]
    first = next((row for row in rows if row.candidate == reference), Row(candidate=reference))
    return Board(
        objective=objective,
        reference=first,
        function=reference.graph.key,
        rows=[first, *(row for row in rows if row is not first)],
    )


def facts_of(scored: Score, *, gated: bool) -> dict[str, Any]:
    """A score as plain JSON values; `passes` is null where no drop is asked for."""
    drop, interval = scored.result.verdict.drop, scored.intervals.mean
    return {
        "auc": scored.result.candidate_auc,
        "ci": None if interval is None else interval.to_json(),
        "drop": drop.drop,
        "drop_ci": [drop.lower, drop.upper],
        "upper_one_sided": drop.upper_one_sided,
        "standard_error": drop.standard_error,
        "degrees_of_freedom": drop.degrees_of_freedom,
        "passes": scored.result.verdict.passed if gated else None,
    }
