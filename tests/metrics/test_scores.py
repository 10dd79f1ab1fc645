import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from xopt.metrics.scores import (
    all_metrics,
    average_precision,
    class_metrics,
    mean_auc,
    mean_metrics,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)


def sample(seed, *, images=400, share=0.2, decimals=None):
    random = np.random.default_rng(seed)
    labels = (random.random(images) < share).astype(np.uint8)
    scores = random.random(images) * 0.6 + labels * random.random(images) * 0.4
    return labels, scores if decimals is None else scores.round(decimals)


SAMPLES = {
    "distinct scores": sample(0),
    "many ties": sample(1, decimals=1),
    "two scores only": sample(2, decimals=0),
    "rare positives": sample(3, images=3000, share=0.003),
    "more positives than negatives": sample(4, share=0.9, decimals=2),
    "all scores the same": (np.array([0, 1, 0, 1]), np.full(4, 0.5)),
    "perfect": (np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])),
    "reversed": (np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.8, 0.9])),
    "float32 scores": (sample(5)[0], sample(5)[1].astype(np.float32)),
}


@pytest.fixture(params=SAMPLES.values(), ids=SAMPLES.keys())
def drawn(request):
    return request.param


def test_roc_auc_is_scikit_learns(drawn):
    labels, scores = drawn
    assert roc_auc(labels, scores) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12)


def test_average_precision_is_scikit_learns(drawn):
    labels, scores = drawn
    expected = sklearn_metrics.average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_the_roc_curve_is_scikit_learns(drawn):
    labels, scores = drawn
    false_rate, true_rate, _ = sklearn_metrics.roc_curve(labels, scores)
    curve = roc_curve(labels, scores)
    grid = np.linspace(0, 1, 201)
    assert np.interp(grid, curve.x, curve.y) == pytest.approx(
        np.interp(grid, false_rate, true_rate), abs=1e-12
    )
    assert sklearn_metrics.auc(curve.x, curve.y) == pytest.approx(roc_auc(labels, scores), abs=1e-12)


def test_the_precision_recall_curve_is_scikit_learns(drawn):
    labels, scores = drawn
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    curve = precision_recall_curve(labels, scores)
    # scikit-learn runs from loose to strict and adds the end point (recall 0, precision 1).
    assert curve.x == pytest.approx(recall[:-1][::-1], abs=1e-12)
    assert curve.y == pytest.approx(precision[:-1][::-1], abs=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.7])
def test_metrics_at_a_threshold_are_scikit_learns(drawn, threshold):
    labels, scores = drawn
    predicted = scores >= threshold
    ours = class_metrics(labels, scores, threshold=threshold)
    tn, fp, fn, tp = sklearn_metrics.confusion_matrix(labels, predicted, labels=[0, 1]).ravel()
    counts = ours.confusion
    assert (counts.true_negatives, counts.false_positives) == (tn, fp)
    assert (counts.false_negatives, counts.true_positives) == (fn, tp)
    assert ours.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    assert ours.sensitivity == pytest.approx(sklearn_metrics.recall_score(labels, predicted))
    assert ours.specificity == pytest.approx(sklearn_metrics.recall_score(labels, predicted, pos_label=0))
    assert ours.f1 == pytest.approx(sklearn_metrics.f1_score(labels, predicted))
    if predicted.any():
        assert ours.precision == pytest.approx(sklearn_metrics.precision_score(labels, predicted))
    assert ours.positives == labels.sum()


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]], ids=["no positive", "no negative"])
def test_a_class_without_both_labels_has_counts_but_no_metrics(labels):
    metrics = class_metrics(np.array(labels), np.array([0.2, 0.6, 0.9]))
    assert [metrics.auc, metrics.average_precision, metrics.accuracy, metrics.f1] == [None] * 4
    assert metrics.positives == sum(labels)
    assert metrics.confusion.true_positives + metrics.confusion.false_positives == 2


def test_nothing_predicted_positive_has_no_precision_but_an_f1_of_zero():
    metrics = class_metrics(np.array([0, 1, 0]), np.array([0.1, 0.2, 0.3]), threshold=0.5)
    assert metrics.precision is None
    assert metrics.f1 == 0.0
    assert metrics.sensitivity == 0.0


def test_a_score_at_the_threshold_is_positive():
    assert class_metrics(np.array([0, 1]), np.array([0.4, 0.5]), threshold=0.5).sensitivity == 1.0


def test_means_leave_out_what_does_not_exist():
    labels = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    scores = np.array([[0.1, 0.2, 0.3], [0.9, 0.3, 0.3], [0.8, 0.4, 0.3], [0.2, 0.1, 0.3]])
    classes = all_metrics(labels, scores)
    means = mean_metrics(classes)
    assert means["auc"] == pytest.approx((classes[0].auc + classes[1].auc) / 2)
    assert means["auc"] == mean_auc(labels, scores)
    assert classes[1].precision is None
    assert means["precision"] == classes[0].precision


def test_no_class_with_both_labels_has_no_mean():
    labels, scores = np.zeros((3, 2), dtype=np.uint8), np.full((3, 2), 0.5)
    assert mean_auc(labels, scores) is None
    assert set(mean_metrics(all_metrics(labels, scores)).values()) == {None}


@pytest.mark.parametrize("empty", [roc_auc, average_precision, roc_curve, precision_recall_curve])
def test_no_images_have_no_metric(empty):
    assert empty(np.zeros(0, dtype=np.uint8), np.zeros(0)) is None


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), "must both be"),
        (np.zeros(3), np.zeros(3), "must both be"),
        (np.full((2, 2), 2), np.zeros((2, 2)), "0 or 1"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), "finite"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(labels, scores, reason):
    with pytest.raises(ValueError, match=reason):
        all_metrics(labels, scores)


def test_images_whose_label_is_not_known_count_for_nothing():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 60)
    scores = random.random(60).round(1)
    marked = labels.copy()
    marked[::3] = -1
    known = marked >= 0
    assert class_metrics(marked, scores) == class_metrics(labels[known], scores[known])
    assert roc_auc(marked, scores) == roc_auc(labels[known], scores[known])
    ours, theirs = roc_curve(marked, scores), roc_curve(labels[known], scores[known])
    np.testing.assert_array_equal(ours.y, theirs.y)
