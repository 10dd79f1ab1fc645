from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from xopt.metrics.bootstrap import paired_auc_drop
from xopt.metrics.delong import auc_covariance, midranks, paired_test
from xopt.metrics.scores import roc_auc


def direct(labels, scores):
    """DeLong's structural components as the paper defines them, every pair compared."""
    m, n = (labels == 1).sum(), (labels == 0).sum()
    positives, negatives = scores[:, labels == 1], scores[:, labels == 0]
    kernel = (positives[:, :, None] > negatives[:, None, :]) + 0.5 * (
        positives[:, :, None] == negatives[:, None, :]
    )
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    aucs = v10.mean(axis=1)
    s10 = (v10 - aucs[:, None]) @ (v10 - aucs[:, None]).T / (m - 1)
    s01 = (v01 - aucs[:, None]) @ (v01 - aucs[:, None]).T / (n - 1)
    return aucs, s10 / m + s01 / n


def sample(seed, *, images=200, kinds=3, share=0.3, decimals=None):
    random = np.random.default_rng(seed)
    labels = (random.random(images) < share).astype(np.uint8)
    labels[:4] = [0, 0, 1, 1]
    scores = random.normal(0.8 * labels, 1, (kinds, images))
    return labels, scores if decimals is None else scores.round(decimals)


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "ties", "nearly all ties"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
@pytest.mark.parametrize("seed", [0, 1])
def test_midranks_give_what_the_definition_gives(seed, share, decimals):
    labels, scores = sample(seed, share=share, decimals=decimals)
    aucs, covariance = direct(labels, scores)
    estimate = auc_covariance(labels, scores)
    assert estimate.aucs == pytest.approx(aucs, abs=1e-10)
    assert estimate.covariance == pytest.approx(covariance, abs=1e-10)
    assert estimate.aucs == pytest.approx([roc_auc(labels, row) for row in scores], abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_midranks_are_scipys(decimals):
    _, scores = sample(0, decimals=decimals)
    assert np.array_equal(midranks(scores[0]), rankdata(scores[0]))


def test_the_paired_test_uses_the_covariance():
    labels, scores = sample(3)
    test = paired_test(labels, scores[0], scores[1])
    aucs, covariance = direct(labels, scores[:2])
    error = sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert test.drop == pytest.approx(aucs[0] - aucs[1])
    assert test.standard_error == pytest.approx(error)
    assert test.z == pytest.approx(test.drop / error)
    assert test.p_value == pytest.approx(2 * norm.sf(abs(test.z)))


def test_delong_and_the_bootstrap_over_single_images_agree():
    labels, scores = sample(4, images=1500, kinds=1)
    worse = scores + np.random.default_rng(7).normal(0, 1, scores.shape)
    test = paired_test(labels, scores[0], worse[0])
    patients = tuple(map(str, range(labels.size)))
    drop = paired_auc_drop(labels[:, None], scores.T, worse.T, patients, resamples=600)
    assert drop.standard_error == pytest.approx(test.standard_error, rel=0.1)
    assert drop.drop == pytest.approx(test.drop)


def test_the_same_scores_do_not_differ():
    labels, scores = sample(5)
    test = paired_test(labels, scores[0], scores[0] * 2)
    assert (test.drop, test.standard_error, test.z, test.p_value) == (pytest.approx(0), 0.0, 0.0, 1.0)


def test_where_the_variance_is_zero_the_test_does_not_apply():
    labels = np.array([0, 0, 1, 1])
    right = np.array([0.1, 0.2, 0.8, 0.9])
    test = paired_test(labels, right, -right)
    assert (test.drop, test.z, test.p_value) == (1.0, None, None)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]])
def test_fewer_than_two_of_a_label_have_no_variance(labels):
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert paired_test(np.array(labels), scores, scores[::-1]) is None


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="scores must be"):
        auc_covariance(np.zeros(3), np.zeros((2, 4)))


def test_images_whose_label_is_not_known_count_for_nothing():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 60)
    one, two = random.random(60), random.random(60)
    marked = labels.copy()
    marked[::3] = -1
    known = marked >= 0
    assert paired_test(marked, one, two) == paired_test(labels[known], one[known], two[known])
