"""Finalists compared: over patients, and over trainings."""

import numpy as np
import pytest

from xopt.metrics.scores import mean_auc
from xopt.nas.finals.comparing import compare_finalists
from xopt.runtime.errors import DataError

COUNT = 400
LABELS = (np.arange(COUNT) % 2)[:, np.newaxis]
PATIENTS = [str(index // 2) for index in range(COUNT)]


def answers(skill: float, seed: int, *, noise: float = 1.0):
    """Scores that tell the labels apart by `skill` standard deviations."""
    return LABELS * skill + np.random.default_rng(seed).normal(0, noise, (COUNT, 1))


def test_the_best_mean_over_trainings_comes_first():
    standings = compare_finalists(
        LABELS,
        {"weak": [answers(0.5, 1), answers(0.5, 2)], "good": [answers(2, 3), answers(2, 4)]},
        PATIENTS,
        resamples=400,
    )
    assert [standing.code for standing in standings] == ["good", "weak"]
    best, other = standings
    assert best.aucs == pytest.approx([mean_auc(LABELS, answers(2, seed)) for seed in (3, 4)])
    assert best.interval.lower < best.auc < best.interval.upper
    assert (best.behind, best.p_value) == (0, 1)
    assert other.behind == pytest.approx(best.auc - other.auc)
    assert other.behind_interval.lower > 0
    assert other.p_value < 0.01


def test_two_networks_that_answer_alike_cannot_be_told_apart():
    same = answers(1, 1)
    first, second = compare_finalists(LABELS, {"a": [same], "b": [same]}, PATIENTS, resamples=200)
    assert (first.code, second.code) == ("a", "b")
    assert (second.behind, second.behind_interval.lower, second.behind_interval.upper) == (0, 0, 0)
    assert second.p_value == 1


def test_pairing_makes_the_difference_narrower_than_either():
    base = answers(1, 1)
    better = base + 0.4 * LABELS
    _, other = compare_finalists(LABELS, {"a": [base], "b": [better]}, PATIENTS, resamples=400)
    widths = [i.upper - i.lower for i in (other.behind_interval, other.interval)]
    assert widths[0] < widths[1] / 2


def test_trainings_that_differ_make_the_interval_wider():
    alike = {"a": [answers(1, 1)] * 3}
    apart = {"a": [answers(0.4, 1), answers(1, 1), answers(1.8, 1)]}
    widths = []
    for runs in (alike, apart):
        (standing,) = compare_finalists(LABELS, runs, PATIENTS, resamples=400)
        widths.append(standing.interval.upper - standing.interval.lower)
    assert widths[1] > 1.5 * widths[0]


def test_the_same_draws_give_the_same_intervals():
    runs = {"a": [answers(1, 1), answers(1, 2)], "b": [answers(1, 3), answers(1, 4)]}
    assert compare_finalists(LABELS, runs, PATIENTS) == compare_finalists(LABELS, runs, PATIENTS)


def test_labels_of_one_kind_cannot_compare():
    with pytest.raises(DataError, match="no class of the split val has both labels"):
        compare_finalists(np.ones_like(LABELS), {"a": [answers(1, 1)]}, PATIENTS)
