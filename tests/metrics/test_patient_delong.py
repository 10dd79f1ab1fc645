"""The mean drop by DeLong's variance over patients: against the definition, the t table and made studies."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from tools.gate_simulation import Setting, draw
from xopt.metrics.delong import mean_drop, paired_test, student_quantile
from xopt.metrics.scores import mean_auc


def sample(seed, *, images=240, shares=(0.1, 0.4), per_patient=3, decimals=None):
    random = np.random.default_rng(seed)
    labels = (random.random((images, len(shares))) < shares).astype(np.int64)
    labels[:8:2], labels[1:8:2] = 1, 0
    before = random.normal(labels, 1)
    after = before + random.normal(0, 0.4, before.shape)
    if decimals is not None:
        before, after = before.round(decimals), after.round(decimals)
    return labels, before, after, tuple(f"p{i // per_patient:04}" for i in range(images))


def direct(labels, before, after, patients):
    """The variance as Obuchowski defines it, every pair compared; classes add up within a patient."""
    names = sorted(set(patients))
    total, drops = np.zeros(len(names)), []
    for c in range(labels.shape[1]):
        up, down = np.flatnonzero(labels[:, c] == 1), np.flatnonzero(labels[:, c] == 0)

        def wins(scores, c=c, up=up, down=down):
            return (scores[up, c][:, None] > scores[down, c]) + 0.5 * (
                scores[up, c][:, None] == scores[down, c]
            )

        lost = wins(before) - wins(after)
        drops.append(lost.mean())
        for held, values in ((up, lost.mean(axis=1)), (down, lost.mean(axis=0))):
            owners = {patients[i] for i in held}
            widening = sqrt(len(owners) / (len(owners) - 1))
            for image, value in zip(held, values, strict=True):
                total[names.index(patients[image])] += widening * (value - drops[-1]) / held.size
    return np.mean(drops), sqrt((total**2).sum()) / labels.shape[1]


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "ties", "nearly all ties"])
@pytest.mark.parametrize("per_patient", [1, 3])
def test_midranks_give_what_the_definition_gives(decimals, per_patient):
    drawn = sample(0, per_patient=per_patient, decimals=decimals)
    found = mean_drop(*drawn)
    drop, error = direct(*drawn)
    assert found.drop == pytest.approx(drop, abs=1e-10)
    assert found.drop == pytest.approx(mean_auc(*drawn[:2]) - mean_auc(drawn[0], drawn[2]), abs=1e-10)
    assert found.standard_error == pytest.approx(error, abs=1e-10)


def test_one_class_of_single_images_is_delongs_test():
    labels, before, after, patients = sample(1, shares=(0.3,), per_patient=1)
    found = mean_drop(labels, before, after, patients)
    expected = paired_test(labels[:, 0], before[:, 0], after[:, 0])
    assert found.drop == pytest.approx(expected.drop, abs=1e-12)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-9)


def test_copies_of_images_tell_nothing_new():
    labels, before, after, _ = sample(2, per_patient=1)
    once = mean_drop(labels, before, after, tuple(map(str, range(240))))
    four = [np.repeat(values, 4, axis=0) for values in (labels, before, after)]
    owned = mean_drop(*four, tuple(str(i // 4) for i in range(960)))
    assert owned.drop == pytest.approx(once.drop)
    assert owned.standard_error == pytest.approx(once.standard_error)
    assert owned.degrees_of_freedom == pytest.approx(once.degrees_of_freedom)
    assert mean_drop(*four, tuple(map(str, range(960)))).standard_error < 0.6 * once.standard_error


def test_neither_the_order_nor_the_names_of_patients_matter():
    labels, before, after, patients = sample(3)
    order = np.random.default_rng(0).permutation(240)
    moved = mean_drop(labels[order], before[order], after[order], tuple(f"x{patients[i]}" for i in order))
    expected = mean_drop(labels, before, after, patients)
    assert (moved.drop, moved.standard_error) == pytest.approx((expected.drop, expected.standard_error))


def test_images_whose_label_is_not_known_count_for_nothing():
    labels, before, after, patients = sample(4, shares=(0.3,))
    marked = labels.copy()
    marked[::3] = -1
    known = marked[:, 0] >= 0
    found = mean_drop(marked, before, after, patients)
    alone = mean_drop(labels[known], before[known], after[known], tuple(np.array(patients)[known].tolist()))
    assert vars(found) == pytest.approx(vars(alone))


def test_a_class_without_both_labels_is_left_out():
    labels, before, after, patients = sample(5, shares=(0.3, 0.3))
    labels[:, 1] = 0
    found = mean_drop(labels, before, after, patients)
    assert found == mean_drop(labels[:, :1], before[:, :1], after[:, :1], patients)
    assert mean_drop(labels[:, 1:], before[:, 1:], after[:, 1:], patients) is None


def test_the_same_order_of_scores_has_a_drop_of_zero_without_doubt():
    labels, before, _, patients = sample(6)
    found = mean_drop(labels, before, before * 2 + 1, patients)
    assert (found.drop, found.standard_error) == (0, 0)
    assert (found.lower(), found.upper()) == (0, 0)


def test_a_finding_of_a_single_patient_counts_as_uncertain_as_the_others():
    labels, before, after, patients = sample(7, shares=(0.1, 0.1), per_patient=1)
    labels[:, 1] = 0
    labels[5, 1] = 1
    both = mean_drop(labels, before, after, patients)
    spread = mean_drop(labels[:, :1], before[:, :1], after[:, :1], patients).standard_error
    # A mean of one and of some two dozen patients: the one decides.
    assert both.standard_error > 2 * spread


def test_findings_that_did_not_change_say_nothing_of_one_that_did():
    labels, before, after, patients = sample(7, shares=(0.1, 0.1), per_patient=1)
    labels[:, 1] = 0
    labels[5, 1] = 1
    same = np.stack([before[:, 0], after[:, 1]], axis=1)
    assert mean_drop(labels, before, same, patients).standard_error >= 0.5


def test_where_all_findings_have_a_single_patient_nothing_is_sure():
    labels, before, after, patients = sample(8, shares=(0.1,), per_patient=1)
    labels[:] = 0
    labels[5] = 1
    assert mean_drop(labels, before, after, patients).standard_error >= 1
    assert mean_drop(labels, before, 2 * before, patients).standard_error == 0


@pytest.mark.parametrize("probability", [0.95, 0.975, 0.99, 0.995])
@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 9.5, 20, 200])
def test_the_quantile_is_students(probability, degrees):
    assert student_quantile(probability, degrees) == pytest.approx(
        student.ppf(probability, degrees), rel=0.01
    )


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.999])
def test_without_doubt_about_the_error_the_quantile_is_the_normal_one(probability):
    assert student_quantile(probability, inf) == pytest.approx(norm.ppf(probability))


def test_few_patients_with_the_finding_leave_few_degrees_of_freedom():
    random = np.random.default_rng(1)
    rare = mean_drop(*draw(Setting(patients=300, prevalences=(0.01,)), random))
    common = mean_drop(*draw(Setting(patients=300, prevalences=(0.5,)), random))
    assert rare.degrees_of_freedom < 15 < 60 < common.degrees_of_freedom
    assert rare.upper() - rare.drop > 1.7 * rare.standard_error
    assert rare.upper(0.005) > rare.upper() > rare.drop > rare.lower()


@pytest.mark.parametrize("degrees", [1.2, 1.9, 2.5, 2.99])
def test_between_whole_degrees_the_quantile_is_rather_too_far_out(degrees):
    assert student_quantile(0.95, degrees) >= student.ppf(0.95, degrees)


def test_no_bound_is_beyond_what_an_auc_can_lose():
    labels, before, after, patients = sample(8, shares=(0.1,), per_patient=1)
    labels[:] = 0
    labels[5] = 1
    found = mean_drop(labels, before, after, patients)
    assert (found.lower(), found.upper()) == (-1, 1)
