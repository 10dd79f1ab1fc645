"""The rules of selection: which variants are stopped, which is chosen, which are on the Pareto front.

Nothing is measured here.

A variant is clearly slower than another where the 95 % intervals of their median latencies do not touch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...runtime.errors import UsageError

Kind = Literal["fastest", "best-auc"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The objective of a tuning: the fastest variant within a drop, or the best AUC within a latency."""

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
    def description(self) -> str:
        """The objective in words."""
        bound = None if self.max_auc_drop is None else f"a drop in mean AUC within {self.max_auc_drop:g}"
        if self.kind == "fastest":
            return f"the fastest with {bound}"
        within = f"the best mean AUC within {self.max_latency_ms:g} ms (90th percentile)"
        return within if bound is None else f"{within} and {bound}"


@dataclass(frozen=True, kw_only=True)
class VariantStats:
    """The statistics of a variant that the rules see."""

    name: str
    function: str
    """The function that it computes: variants of one function answer alike, so their AUC is the same."""
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
    """The chosen variant and the reason, or the reason why there is none."""

    name: str | None
    reason: str


def clearly_slower(variant: VariantStats, other: VariantStats) -> bool:
    """True if `variant` is slower than `other` beyond what its interval leaves open."""
    return variant.lower_ms > other.upper_ms


def dominated(variant: VariantStats, others: Sequence[VariantStats]) -> str | None:
    """The reason why a variant is dominated by another of the same function; None where it is not.

    Engines and numbers of threads change no answer, so a clearly slower one is dominated whatever its AUC.
    """
    for other in others:
        if other.function == variant.function and clearly_slower(variant, other):
            return f"clearly slower than {other.name}, which answers alike"
    return None


def cannot_be_chosen(
    variant: VariantStats, others: Sequence[VariantStats], objective: Objective
) -> str | None:
    """The reason why no AUC could make a variant the chosen one; None where one could.

    `fastest`: another that passed the gate is clearly faster. `best-auc`: it is clearly over the latency.
    """
    limit = objective.max_latency_ms
    if limit is not None and variant.lower_ms > limit:
        return f"over {limit:g} ms: its median is {variant.median_ms:.3g} ms"
    if objective.kind == "best-auc":
        return None
    for other in others:
        if other.passes and clearly_slower(variant, other):
            return f"clearly slower than {other.name}, which passed the gate: it cannot be the fastest"
    return None


def choose(stats: Sequence[VariantStats], objective: Objective) -> Choice:
    """The variant that serves the objective best, among those whose AUC was measured.

    `fastest`: the lowest median latency of those that passed. `best-auc`: the highest AUC of those that
    passed and whose 90th percentile is within the latency; of equal ones the faster.
    """
    measured = [variant for variant in stats if variant.auc is not None]
    passed = [variant for variant in measured if variant.passes is not False]
    limit = objective.max_latency_ms
    quick = passed if limit is None else [variant for variant in passed if variant.p90_ms <= limit]
    if quick:
        if objective.kind == "fastest":
            best = min(quick, key=lambda variant: variant.median_ms)
        else:
            best = min(quick, key=lambda variant: (-(variant.auc or 0.0), variant.median_ms))
        return Choice(
            name=best.name,
            reason=f"{objective.description}: {best.name}, {best.median_ms:.3g} ms on the median",
        )
    return Choice(name=None, reason=_why_none(stats, measured, passed, objective))


def _why_none(
    stats: Sequence[VariantStats],
    measured: Sequence[VariantStats],
    passed: Sequence[VariantStats],
    objective: Objective,
) -> str:
    """The reason why no variant was chosen."""
    limit = objective.max_latency_ms
    if not stats:
        return "no variant could be run"
    fastest = min(stats, key=lambda variant: variant.p90_ms)
    if limit is not None and fastest.p90_ms > limit:
        return (
            f"no variant is within {limit:g} ms; the fastest, {fastest.name}, needs {fastest.p90_ms:.3g} ms"
        )
    if not passed:
        return f"none of {len(measured)} variants passed the gate"
    fastest_passed = min(passed, key=lambda variant: variant.p90_ms)
    return (
        f"none of {len(passed)} variants that passed the gate is within {limit or 0:g} ms; the fastest of "
        f"them, {fastest_passed.name}, needs {fastest_passed.p90_ms:.3g} ms"
    )


def nearest(stats: Sequence[VariantStats], choice: Choice, objective: Objective) -> str | None:
    """The variant to keep as the rejected candidate: the chosen one, else the nearest to being chosen.

    Where a latency is asked for, the fastest; else the one with the highest AUC, of equal ones the faster.
    """
    if choice.name is not None:
        return choice.name
    measured = [variant for variant in stats if variant.auc is not None] or list(stats)
    if not measured:
        return None
    if objective.kind == "best-auc":
        return min(measured, key=lambda variant: variant.p90_ms).name
    return min(measured, key=lambda variant: (-(variant.auc or 0.0), variant.median_ms)).name


def pareto(stats: Sequence[VariantStats]) -> frozenset[str]:
    """The variants with an AUC that no other beats: at least as fast and as good, better in one of both."""
    known = [variant for variant in stats if variant.auc is not None]
    return frozenset(
        variant.name
        for variant in known
        if not any(_beats(other, variant) for other in known if other is not variant)
    )


def _beats(other: VariantStats, variant: VariantStats) -> bool:
    assert other.auc is not None
    assert variant.auc is not None
    as_good = other.median_ms <= variant.median_ms and other.auc >= variant.auc
    return as_good and (other.median_ms < variant.median_ms or other.auc > variant.auc)
