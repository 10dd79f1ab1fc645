import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from xopt.metrics.bootstrap import (
    _WeightedAuc,
    auc_intervals,
    paired_auc_drop,
    replicate_aucs,
    row_means,
    two_sided_p_value,
)
from xopt.metrics.scores import mean_auc, roc_auc
from xopt.runtime.errors import DataError


def sample(seed=0, *, images=300, classes=3, per_patient=2, signal=1.0, share=0.25):
    random = np.random.default_rng(seed)
    labels = (random.random((images, classes)) < share).astype(np.uint8)
    scores = 1 / (1 + np.exp(-random.normal(signal * labels, 1)))
    patients = tuple(f"p{i // per_patient:05d}" for i in range(images))
    return labels, scores, patients


@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct", "ties"])
def test_an_auc_under_weights_is_the_auc_of_the_repeated_images(decimals):
    labels, scores, _ = sample()
    scores = scores if decimals is None else scores.round(decimals)
    weights = np.random.default_rng(5).integers(0, 4, size=(20, len(labels))).astype(np.int32)
    weighted = _WeightedAuc(labels[:, 0], scores[:, 0])(weights.T)
    for row, value in zip(weights, weighted, strict=True):
        repeated = np.repeat(np.arange(len(labels)), row)
        assert value == pytest.approx(roc_auc_score(labels[repeated, 0], scores[repeated, 0]), abs=1e-12)


def test_weights_of_one_give_the_plain_auc():
    labels, scores, _ = sample()
    ones = np.ones((len(labels), 1), dtype=np.int32)
    assert _WeightedAuc(labels[:, 1], scores[:, 1])(ones)[0] == roc_auc(labels[:, 1], scores[:, 1])


def test_replicates_draw_whole_patients():
    # Two patients with two images each: a replicate is one of {A,A}, {A,B}, {B,B}. A's images are ranked
    # rightly, B's wrongly, so its AUC can only be 1, 0 or that of all four images.
    labels = np.array([[1], [0], [1], [0]])
    scores = np.array([[0.9], [0.1], [0.2], [0.8]])
    aucs = replicate_aucs(labels, scores, ("a", "a", "b", "b"), resamples=200, seed=0)
    assert set(aucs.ravel().tolist()) == {0.0, roc_auc(labels[:, 0], scores[:, 0]), 1.0}


def test_replicates_do_not_depend_on_the_order_of_the_images():
    labels, scores, patients = sample()
    shuffled = np.random.default_rng(1).permutation(len(labels))
    moved = tuple(patients[i] for i in shuffled)
    expected = replicate_aucs(labels, scores, patients, resamples=50, seed=3)
    assert np.array_equal(
        replicate_aucs(labels[shuffled], scores[shuffled], moved, resamples=50, seed=3), expected
    )


def test_the_seed_decides_the_draws():
    labels, scores, patients = sample()
    one = replicate_aucs(labels, scores, patients, resamples=50, seed=1)
    assert np.array_equal(one, replicate_aucs(labels, scores, patients, resamples=50, seed=1))
    assert not np.array_equal(one, replicate_aucs(labels, scores, patients, resamples=50, seed=2))


def test_a_class_missing_from_a_replicate_is_left_out_of_that_mean():
    assert row_means(np.array([[0.5, np.nan, 0.7], [np.nan] * 3])) == pytest.approx(
        [0.6, np.nan], nan_ok=True
    )


def test_repeated_images_of_patients_widen_the_interval():
    labels, scores, _ = sample(images=150)
    labels, scores = np.repeat(labels, 4, axis=0), np.repeat(scores, 4, axis=0)
    patients = tuple(f"p{i // 4}" for i in range(len(labels)))
    clustered = auc_intervals(labels, scores, patients, resamples=400).mean
    naive = auc_intervals(labels, scores, tuple(map(str, range(len(labels)))), resamples=400).mean
    # Four copies carry the information of one image: intervals must be twice as wide as naive ones.
    assert (clustered.upper - clustered.lower) / (naive.upper - naive.lower) == pytest.approx(2, rel=0.2)


def test_intervals_cover_the_true_auc():
    # Normal scores one standard deviation apart have an AUC of Phi(1 / sqrt 2).
    truth, hits = 0.76025, 0
    for seed in range(60):
        labels, scores, patients = sample(seed, images=240, classes=1, per_patient=1)
        interval = auc_intervals(labels, scores, patients, resamples=200, seed=seed).classes[0]
        hits += interval.lower <= truth <= interval.upper
    assert hits >= 52


def test_a_class_without_both_labels_has_no_interval():
    labels, scores, patients = sample()
    labels[:, 1] = 0
    intervals = auc_intervals(labels, scores, patients, resamples=50)
    assert intervals.classes[1] is None
    assert intervals.classes[0] is not None
    assert intervals.mean is not None


def test_the_drop_is_reference_minus_candidate():
    labels, scores, patients = sample(images=600)
    worse = scores + np.random.default_rng(9).normal(0, 0.3, scores.shape)
    drop = paired_auc_drop(labels, scores, worse, patients, resamples=300)
    assert drop.drop == pytest.approx(mean_auc(labels, scores) - mean_auc(labels, worse), abs=1e-12)
    assert drop.drop > 0
    assert drop.lower < drop.lower_one_sided < drop.drop < drop.upper_one_sided < drop.upper
    assert drop.upper_at(0.05) == drop.upper_one_sided < drop.upper_at(0.005)
    assert drop.p_value < 0.05
    assert (drop.images, drop.patients, drop.resamples) == (600, 300, 300)
    mirrored = paired_auc_drop(labels, worse, scores, patients, resamples=300)
    assert mirrored.drop == pytest.approx(-drop.drop)
    assert mirrored.upper == pytest.approx(-drop.lower)


def test_the_same_scores_drop_by_nothing():
    labels, scores, patients = sample()
    drop = paired_auc_drop(labels, scores, scores, patients, resamples=50)
    assert (drop.drop, drop.standard_error, drop.lower, drop.upper, drop.p_value) == (0, 0, 0, 0, 1)


def test_pairing_is_what_makes_small_drops_visible():
    labels, scores, patients = sample(images=600)
    nearly = scores + np.random.default_rng(9).normal(0, 0.01, scores.shape)
    drop = paired_auc_drop(labels, scores, nearly, patients, resamples=300)
    alone = auc_intervals(labels, scores, patients, resamples=300).mean
    assert drop.upper - drop.lower < 0.1 * (alone.upper - alone.lower)


def test_the_standard_error_falls_with_the_root_of_the_images():
    errors = []
    for images in (400, 1600):
        labels, scores, patients = sample(images=images)
        worse = scores + np.random.default_rng(9).normal(0, 0.2, scores.shape)
        errors.append(paired_auc_drop(labels, scores, worse, patients, resamples=400).standard_error)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.25)


def test_drops_per_class_come_with_their_intervals():
    labels, scores, patients = sample()
    labels[:, 2] = 0
    worse = scores.copy()
    worse[:, 0] = worse[::-1, 0]
    drop = paired_auc_drop(labels, scores, worse, patients, resamples=200)
    first, second, third = drop.classes
    assert first.drop == pytest.approx(
        roc_auc(labels[:, 0], scores[:, 0]) - roc_auc(labels[:, 0], worse[:, 0])
    )
    assert first.lower > 0
    assert (second.drop, second.lower, second.upper) == (0, 0, 0)
    assert third is None


def test_without_both_labels_anywhere_there_is_no_drop():
    labels, scores, patients = sample()
    with pytest.raises(DataError, match="no class has both"):
        paired_auc_drop(np.zeros_like(labels), scores, scores, patients, resamples=10)


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        ([1.0] * 99, 2 / 100),
        ([-1.0] * 99, 2 / 100),
        ([0.0] * 99, 1.0),
        ([1.0] * 97 + [-1.0] * 2, 6 / 100),
        ([1.0] * 50 + [-1.0] * 49, 1.0),
    ],
)
def test_the_p_value_is_where_the_interval_touches_zero(drops, expected):
    assert two_sided_p_value(np.array(drops)) == pytest.approx(expected)


def test_the_p_value_is_even_where_nothing_differs():
    small = 0
    for seed in range(60):
        labels, scores, patients = sample(seed, images=200, classes=1, per_patient=1)
        random = np.random.default_rng(1000 + seed)
        one, other = (scores + random.normal(0, 0.1, scores.shape) for _ in range(2))
        small += paired_auc_drop(labels, one, other, patients, resamples=200, seed=seed).p_value < 0.1
    assert 1 <= small <= 14


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"patients": ("p",)}, "as many patients"),
        ({"resamples": 1}, "at least 2"),
        ({"scores_NC": np.zeros((2, 2))}, "must both be"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, reason):
    labels, scores, patients = sample()
    arguments = {"labels_NC": labels, "scores_NC": scores, "patients": patients, "resamples": 10, "seed": 0}
    with pytest.raises(ValueError, match=reason):
        replicate_aucs(**{**arguments, **change})
