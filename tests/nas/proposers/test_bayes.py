"""The Bayesian linear model, against textbook formulas."""

import numpy as np
import pytest

from xopt.nas.proposers import bayes
from xopt.nas.proposers.bayes import Scales, condition, fit


def products(features):
    """Centred features, then all their products, one column each."""
    centred = features - 0.5
    pairs = [centred[:, i] * centred[:, j] for i in range(centred.shape[1]) for j in range(i)]
    return np.column_stack([centred, *pairs])


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    features = random.integers(0, 2, size=(9, 4)).astype(float)
    return features, random.normal(size=9), random.integers(0, 2, size=(6, 4)).astype(float)


SCALES = Scales(scale=0.3, pairs=0.4, ratio=0.2, trend=0.5)


def textbook(features, targets, queries):
    """The posterior over weights (Rasmussen and Williams 2006, 2.1), in the primal form."""
    design, there = products(features), products(queries)
    design, there = (np.column_stack([np.ones(len(x)), x]) for x in (design, there))
    prior = SCALES.scale**2 * np.array([bayes._WIDE, *[1.0] * 4, *[SCALES.pairs] * 6])
    mean = np.array([targets.mean(), *[SCALES.trend * SCALES.scale] * 4, *[0.0] * 6])
    noise = SCALES.scale**2 * SCALES.ratio
    precision = design.T @ design / noise + np.diag(1 / prior)
    covariance = np.linalg.inv(precision)
    weights = covariance @ (design.T @ targets / noise + mean / prior)
    return there @ weights, np.sqrt(np.einsum("mf,fg,mg->m", there, covariance, there))


def test_the_dual_form_is_the_textbooks_regression_on_features_and_products(data):
    features, targets, queries = data
    mean, deviation = condition(SCALES, features, targets).predict(queries)
    wanted = textbook(features, targets, queries)
    np.testing.assert_allclose(mean, wanted[0], rtol=1e-6)
    np.testing.assert_allclose(deviation, wanted[1], rtol=1e-6)


def test_draws_of_the_function_have_the_posteriors_mean_and_spread(data):
    features, targets, queries = data
    posterior = condition(SCALES, features, targets)
    random = np.random.default_rng(1)
    draws = np.stack([posterior.sample(random)(queries) for _ in range(3000)])
    mean, deviation = posterior.predict(queries)
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(draws.std(0), deviation, rtol=0.1)


def test_the_evidence_tells_clean_sums_from_noise():
    random = np.random.default_rng(2)
    features = random.integers(0, 2, size=(60, 6)).astype(float)
    clean = fit(features, features @ np.full(6, 0.2), upgrades_help=True).scales
    noisy = fit(features, random.normal(0, 0.5, size=60), upgrades_help=True).scales
    assert clean.ratio < 0.05 < noisy.ratio
    assert clean.trend == 1
    assert noisy.scale < 0.2


def test_the_evidence_sees_products():
    random = np.random.default_rng(3)
    features = random.integers(0, 2, size=(80, 6)).astype(float)
    centred = features - 0.5
    alone = fit(features, centred @ random.normal(size=6), upgrades_help=False).scales
    both = fit(
        features, 4 * centred[:, 0] * centred[:, 1] + 4 * centred[:, 2] * centred[:, 3], upgrades_help=False
    )
    assert alone.pairs < 0.1 < both.scales.pairs


def test_size_that_does_not_pay_is_not_believed_in_for_long():
    random = np.random.default_rng(4)
    features = random.integers(0, 2, size=(30, 6)).astype(float)
    assert fit(features, -features.sum(1) * 0.2, upgrades_help=True).scales.trend == 0


def test_without_observations_the_prior_answers():
    posterior = fit(np.zeros((0, 3)), np.zeros(0), upgrades_help=True)
    mean, deviation = posterior.predict(np.array([[0.0, 0, 0], [1, 1, 1]]))
    assert mean[1] > 0 > mean[0]
    assert (deviation > 0).all()
