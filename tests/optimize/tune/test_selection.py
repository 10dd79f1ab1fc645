"""The rules of a tuning, as truth tables."""

import pytest

from xopt.optimize.tune.selection import (
    Objective,
    VariantStats,
    cannot_be_chosen,
    choose,
    clearly_slower,
    dominated,
    nearest,
    pareto,
)
from xopt.runtime import UsageError

FASTEST = Objective(kind="fastest", max_auc_drop=0.01)
WITHIN = Objective(kind="best-auc", max_auc_drop=None, max_latency_ms=50)
BOTH = Objective(kind="best-auc", max_auc_drop=0.01, max_latency_ms=50)


def one(name, ms, auc=None, passes=None, function=None, spread=1.0, p90=None):
    return VariantStats(
        name=name,
        function=function or name,
        median_ms=ms,
        lower_ms=ms - spread,
        upper_ms=ms + spread,
        p90_ms=p90 or ms + spread,
        auc=auc,
        passes=passes,
    )


@pytest.mark.parametrize(
    ("slow", "fast", "clear"),
    [(14, 10, True), (12, 10, False), (11, 10, False), (10, 10, False), (10, 14, False)],
)
def test_clearly_slower_is_where_intervals_do_not_touch(slow, fast, clear):
    assert clearly_slower(one("a", slow), one("b", fast)) is clear


@pytest.mark.parametrize(
    ("mine", "other", "stopped"),
    [
        (one("a", 20, function="f"), one("b", 10, function="f"), True),
        (one("a", 20, function="f"), one("b", 10, function="g"), False),
        (one("a", 11, function="f"), one("b", 10, function="f"), False),
        (one("a", 10, function="f"), one("b", 20, function="f"), False),
    ],
)
def test_of_variants_that_answer_alike_the_clearly_slower_is_stopped(mine, other, stopped):
    reason = dominated(mine, [mine, other])
    assert (reason is not None) is stopped
    assert not stopped or "b" in reason


@pytest.mark.parametrize(
    ("mine", "others", "objective", "stopped"),
    [
        (one("a", 90), [one("b", 50, 0.7, passes=True)], FASTEST, True),
        (one("a", 90), [one("b", 50, 0.7, passes=False)], FASTEST, False),
        (one("a", 90), [one("b", 50)], FASTEST, False),
        (one("a", 51), [one("b", 50, 0.7, passes=True)], FASTEST, False),
        (one("a", 20), [one("b", 50, 0.7, passes=True)], FASTEST, False),
        # The best AUC may be a slower variant's, as long as it is within the latency.
        (one("a", 40), [one("b", 20, 0.7, passes=True)], WITHIN, False),
        (one("a", 60), [], WITHIN, True),
        (one("a", 50.5), [], WITHIN, False),
    ],
)
def test_no_auc_is_measured_of_what_cannot_be_chosen(mine, others, objective, stopped):
    assert (cannot_be_chosen(mine, [mine, *others], objective) is not None) is stopped


@pytest.mark.parametrize(
    ("stats", "objective", "chosen"),
    [
        ([one("a", 20, 0.70, True), one("b", 10, 0.69, True)], FASTEST, "b"),
        ([one("a", 20, 0.70, True), one("b", 10, 0.60, False)], FASTEST, "a"),
        ([one("a", 20, 0.70, True), one("b", 10)], FASTEST, "a"),
        ([one("a", 20, 0.70, False)], FASTEST, None),
        ([], WITHIN, None),
        ([one("a", 40, 0.72, True), one("b", 10, 0.70, True)], WITHIN, "a"),
        ([one("a", 60, 0.72, True), one("b", 10, 0.70, True)], WITHIN, "b"),
        # Nine of ten images, not the median, have to be within the latency.
        ([one("a", 40, 0.72, True, p90=55), one("b", 10, 0.70, True)], WITHIN, "b"),
        ([one("a", 40, 0.72, True), one("b", 10, 0.72, True)], WITHIN, "b"),
        ([one("a", 40, 0.72, False), one("b", 10, 0.70, True)], BOTH, "b"),
        ([one("a", 60, 0.72, True), one("b", 10, 0.60, False)], BOTH, None),
        ([one("a", 60), one("b", 70)], WITHIN, None),
    ],
)
def test_the_choice(stats, objective, chosen):
    choice = choose(stats, objective)
    assert choice.name == chosen
    assert choice.reason


@pytest.mark.parametrize(
    ("stats", "objective", "kept"),
    [
        ([one("a", 20, 0.70, False), one("b", 10, 0.69, False)], FASTEST, "a"),
        ([one("a", 20, 0.70, False), one("b", 10, 0.70, False), one("c", 1)], FASTEST, "b"),
        ([one("a", 80, 0.70, True), one("b", 60, 0.60, True)], WITHIN, "b"),
        ([one("a", 80), one("b", 60)], WITHIN, "b"),
        ([], FASTEST, None),
    ],
)
def test_the_candidate_that_is_kept_where_nobody_is_chosen(stats, objective, kept):
    assert nearest(stats, choose(stats, objective), objective) == kept


def test_the_reason_names_the_nearest_and_its_latency():
    assert "a, needs 61 ms" in choose([one("a", 60), one("b", 70)], WITHIN).reason
    assert "a, needs 61 ms" in choose([one("a", 60, 0.7, True), one("b", 70, 0.7, True)], WITHIN).reason


@pytest.mark.parametrize(
    ("stats", "front"),
    [
        ([one("a", 10, 0.7), one("b", 20, 0.8)], {"a", "b"}),
        ([one("a", 10, 0.8), one("b", 20, 0.7)], {"a"}),
        ([one("a", 10, 0.8), one("b", 20, 0.8)], {"a"}),
        ([one("a", 10, 0.8), one("b", 10, 0.8)], {"a", "b"}),
        ([one("a", 10, 0.8), one("b", 5)], {"a"}),
        ([], set()),
    ],
)
def test_the_pareto_front_holds_what_nothing_measured_beats(stats, front):
    assert pareto(stats) == front


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fastest", "max_auc_drop": None},
        {"kind": "best-auc", "max_auc_drop": 0.01},
        {"kind": "fastest", "max_auc_drop": 2},
        {"kind": "fastest", "max_auc_drop": 0.01, "max_class_auc_drop": 0},
        {"kind": "best-auc", "max_auc_drop": None, "max_latency_ms": 0},
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        Objective(**wrong)
