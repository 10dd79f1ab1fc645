"""The rules of a tuning: who is stopped, who is chosen, who is on the Pareto front. Nothing is measured here.

A variant is clearly slower than another where the 95 % intervals of their median latencies do not touch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...runtime.errors import UsageError

Kind = Literal["fastest", "best-auc"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is looked for."""

    kind: Kind
    max_auc_drop: float | None
    """None: any drop. Never None for `fastest`."""
    max_class_auc_drop: float | None = None
    max_latency_ms: float | None = None
    """None: any latency. Never None for `best-auc`."""

    def __post_init__(self) -> None:
        if self.max_auc_drop is not None and not -1 <= self.max_auc_drop <= 1:
            raise UsageError(f"the allowed drop in AUC must be in -1..1, got {self.max_auc_drop}")
        if self.max_class_auc_drop is not None and not 0 < self.max_class_auc_drop <= 1:
            raise UsageError(
                f"the allowed drop in a finding's AUC must be in (0, 1], got {self.max_class_auc_drop}"
            )
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise UsageError(f"the allowed latency must be above 0 ms, got {self.max_latency_ms}")
        if self.kind == "fastest" and self.max_auc_drop is None:
            raise UsageError("the fastest variant is one with an allowed drop in AUC; give --max-auc-drop")
        if self.kind == "best-auc" and self.max_latency_ms is None:
            raise UsageError("the best AUC is one within a latency; give --max-latency-ms")

    @property
    def words(self) -> str:
        """What is looked for, in words."""
        bound = None if self.max_auc_drop is None else f"a drop in mean AUC within {self.max_auc_drop:g}"
        if self.kind == "fastest":
            return f"the fastest with {bound}"
        within = f"the best mean AUC within {self.max_latency_ms:g} ms (90th percentile)"
        return within if bound is None else f"{within} and {bound}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a variant when a rule looks at it."""

    name: str
    function: str
    """What it computes: variants of one function answer alike, so that their AUC is the same."""
    median_ms: float
    lower_ms: float
    upper_ms: float
    """95 % interval of the median."""
    p90_ms: float
    auc: float | None = None
    """On the gate split; None where it was not measured."""
    passes: bool | None = None
    """The gate's verdict; None where it was not measured."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who was chosen, and why; or why nobody."""

    name: str | None
    reason: str


def clearly_slower(one: Standing, other: Standing) -> bool:
    """Whether `one` is slower than `other` beyond what its interval leaves open."""
    return one.lower_ms > other.upper_ms


def outrun(one: Standing, others: Sequence[Standing]) -> str | None:
    """Why a variant need not go on beside others of the same function; None where it has to.

    Engines and numbers of threads change no answer, so a clearly slower one is dominated whatever its AUC is.
    """
    for other in others:
        if other.function == one.function and clearly_slower(one, other):
            return f"clearly slower than {other.name}, which answers alike"
    return None


def hopeless(one: Standing, others: Sequence[Standing], objective: Objective) -> str | None:
    """Why no AUC could make a variant the chosen one; None where one could.

    `fastest`: another that passed the gate is clearly faster. `best-auc`: it is clearly over the latency.
    """
    limit = objective.max_latency_ms
    if limit is not None and one.lower_ms > limit:
        return f"over {limit:g} ms: its median is {one.median_ms:.3g} ms"
    if objective.kind == "best-auc":
        return None
    for other in others:
        if other.passes and clearly_slower(one, other):
            return f"clearly slower than {other.name}, which passed the gate: it cannot be the fastest"
    return None


def choose(standings: Sequence[Standing], objective: Objective) -> Choice:
    """The variant that serves the objective best, among those whose AUC was measured.

    `fastest`: the lowest median latency of those that passed. `best-auc`: the highest AUC of those that
    passed and whose 90th percentile is within the latency; of equal ones the faster.
    """
    measured = [one for one in standings if one.auc is not None]
    passed = [one for one in measured if one.passes is not False]
    limit = objective.max_latency_ms
    quick = passed if limit is None else [one for one in passed if one.p90_ms <= limit]
    if quick:
        if objective.kind == "fastest":
            best = min(quick, key=lambda one: one.median_ms)
        else:
            best = min(quick, key=lambda one: (-(one.auc or 0.0), one.median_ms))
        return Choice(
            name=best.name, reason=f"{objective.words}: {best.name}, {best.median_ms:.3g} ms on the median"
        )
    return Choice(name=None, reason=_nobody(standings, measured, passed, objective))


def _nobody(
    standings: Sequence[Standing],
    measured: Sequence[Standing],
    passed: Sequence[Standing],
    objective: Objective,
) -> str:
    """Why nobody was chosen."""
    limit = objective.max_latency_ms
    if not standings:
        return "no variant could be run"
    fastest = min(standings, key=lambda one: one.p90_ms)
    if limit is not None and fastest.p90_ms > limit:
        return (
            f"no variant is within {limit:g} ms; the fastest, {fastest.name}, needs {fastest.p90_ms:.3g} ms"
        )
    if not passed:
        return f"none of {len(measured)} variants passed the gate"
    nearest = min(passed, key=lambda one: one.p90_ms)
    return (
        f"none of {len(passed)} variants that passed the gate is within {limit or 0:g} ms; the fastest of "
        f"them, {nearest.name}, needs {nearest.p90_ms:.3g} ms"
    )


def candidate_of(standings: Sequence[Standing], choice: Choice, objective: Objective) -> str | None:
    """The variant to keep as the rejected candidate: the chosen one, else the nearest to being chosen.

    Where a latency is asked for, the fastest; else the one with the highest AUC, of equal ones the faster.
    """
    if choice.name is not None:
        return choice.name
    measured = [one for one in standings if one.auc is not None] or list(standings)
    if not measured:
        return None
    if objective.kind == "best-auc":
        return min(measured, key=lambda one: one.p90_ms).name
    return min(measured, key=lambda one: (-(one.auc or 0.0), one.median_ms)).name


def pareto(standings: Sequence[Standing]) -> frozenset[str]:
    """The variants that no other measured one beats: is at least as fast and as good, and better in one."""
    known = [one for one in standings if one.auc is not None]
    return frozenset(
        one.name for one in known if not any(_beats(other, one) for other in known if other is not one)
    )


def _beats(other: Standing, one: Standing) -> bool:
    assert other.auc is not None
    assert one.auc is not None
    as_good = other.median_ms <= one.median_ms and other.auc >= one.auc
    return as_good and (other.median_ms < one.median_ms or other.auc > one.auc)
