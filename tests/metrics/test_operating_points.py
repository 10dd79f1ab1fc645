import numpy as np
import pytest

from xopt.metrics.operating_points import (
    RULES,
    calibration_error,
    choose,
    compare_decisions,
    compare_operating,
    sensitivity_at,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.6, 0.25, 0.7, 0.8, 0.9])


@pytest.mark.parametrize(
    ("rule", "target", "threshold", "sensitivity", "specificity"),
    [
        ("youden", 0.9, 0.7, 0.75, 1.0),
        ("sensitivity", 0.75, 0.7, 0.75, 1.0),
        ("sensitivity", 0.76, 0.25, 1.0, 0.5),
        ("sensitivity", 1.0, 0.25, 1.0, 0.5),
        ("sensitivity", 0.0, 0.9, 0.25, 1.0),
        ("specificity", 0.5, 0.25, 1.0, 0.5),
        ("specificity", 0.75, 0.6, 0.75, 0.75),
        ("specificity", 1.0, 0.7, 0.75, 1.0),
        ("specificity", 0.0, 0.1, 1.0, 0.0),
    ],
)
def test_a_threshold_gives_what_its_rule_asks_and_no_less(rule, target, threshold, sensitivity, specificity):
    point = choose(LABELS, SCORES, rule, target)
    assert (point.threshold, point.sensitivity, point.specificity) == (threshold, sensitivity, specificity)
    predicted = point.threshold <= SCORES
    assert predicted[LABELS == 1].mean() == point.sensitivity
    assert (~predicted)[LABELS == 0].mean() == point.specificity


@pytest.mark.parametrize("rule", ["sensitivity", "specificity"])
@pytest.mark.parametrize("percent", range(1, 101))
def test_a_target_that_is_met_exactly_is_met(rule, percent):
    scores = np.arange(100) / 100
    labels = np.concatenate([np.ones(100, dtype=int), np.zeros(100, dtype=int)])
    point = choose(labels, np.concatenate([scores, scores]), rule, percent / 100)
    assert getattr(point, rule) == percent / 100


def test_full_specificity_may_lie_above_every_score():
    point = choose(np.array([0, 1, 0]), np.array([0.9, 0.5, 0.9]), "specificity", 1.0)
    assert point.threshold > 0.9
    assert (point.sensitivity, point.specificity) == (0.0, 1.0)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_without_both_labels_there_is_no_threshold(labels):
    assert choose(np.array(labels), np.array([0.1, 0.2]), "youden") is None
    assert sensitivity_at(np.array(labels), np.array([0.1, 0.2]), 0.9) is None


@pytest.mark.parametrize(("rule", "target"), [("best", 0.9), ("sensitivity", 1.5), ("specificity", -0.1)])
def test_an_unknown_rule_or_target_is_refused(rule, target):
    with pytest.raises(ValueError, match="must be"):
        choose(LABELS, SCORES, rule, target)


def test_sensitivity_is_read_at_a_specificity():
    assert sensitivity_at(LABELS, SCORES, 0.75) == 0.75


@pytest.mark.parametrize(
    ("labels", "probabilities", "error"),
    [
        ([0, 1], [0.0, 1.0], 0.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.0),
        ([1, 1], [0.25, 0.25], 0.75),
        ([0, 1], [1.0, 0.0], 1.0),
        ([1, 0, 0, 0], [0.3, 0.3, 0.3, 0.3], 0.05),
        ([1, 0, 0, 0, -1], [0.3, 0.3, 0.3, 0.3, 0.9], 0.05),
    ],
)
def test_the_calibration_error_is_the_distance_from_what_happens(labels, probabilities, error):
    assert calibration_error(np.array(labels), np.array(probabilities)) == pytest.approx(error)


@pytest.mark.parametrize(("labels", "scores"), [([], []), ([0, 1], [-0.5, 0.5]), ([0, 1], [0.5, 1.5])])
def test_without_probabilities_there_is_no_calibration_error(labels, scores):
    assert calibration_error(np.array(labels, dtype=int), np.array(scores)) is None


def test_changed_decisions_are_counted_and_judged():
    labels = np.array([1, 1, 0, 0, 1])
    before, after = np.array([0.4, 0.6, 0.4, 0.6, 0.9]), np.array([0.6, 0.4, 0.6, 0.4, 0.8])
    found = compare_decisions(labels, before, after, 0.5)
    assert (found.flips, found.gained, found.lost) == (4, 2, 2)
    assert compare_decisions(labels, before, before, 0.5).flips == 0
    unknown = compare_decisions(np.array([-1, -1]), np.array([0.4, 0.6]), np.array([0.6, 0.4]), 0.5)
    assert (unknown.flips, unknown.gained, unknown.lost) == (2, 0, 0)


def test_images_whose_label_is_not_known_choose_nothing():
    labels = np.array([1, 0, -1, 1, 0])
    scores = np.array([0.9, 0.2, 0.5, 0.6, 0.4])
    sure = labels >= 0
    for rule in RULES:
        assert choose(labels, scores, rule, 1.0) == choose(labels[sure], scores[sure], rule, 1.0)


def test_a_change_is_told_at_the_operating_points_of_both():
    labels = np.array([0] * 10 + [1] * 2)
    before = np.array([*np.linspace(0, 0.4, 10), 0.6, 0.7])
    after = np.where(np.arange(12) == 10, 0.1, before)
    change = compare_operating(labels, before, after, 0.5)
    assert change.sensitivity == (1.0, 0.5)
    assert change.calibration_error == (
        calibration_error(labels, before),
        calibration_error(labels, after),
    )
    assert (change.decisions.flips, change.decisions.lost) == (1, 1)
    assert change.to_json()["sensitivity_at_specificity_0.9"] == {"reference": 1.0, "candidate": 0.5}
