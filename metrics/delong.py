"""Variance and paired comparison of AUCs without resampling.

DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845, computed from midranks as in Sun & Xu, IEEE
Signal Processing Letters 21 (2014) 1389-1393: O(n log n) where the definition takes O(m n). Images count as
independent; where a patient has several, errors are too small: `patient_delong` and `bootstrap` are right.

Shapes: N images, K sets of scores, m positives, n negatives.
"""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from .scores import Labels, Scores


@dataclass(frozen=True, kw_only=True)
class AucCovariance:
    """AUCs of K sets of scores on the same images, and the covariance of these estimates."""

    aucs: NDArray[np.float64]
    """float64 (K,)."""
    covariance: NDArray[np.float64]
    """float64 (K, K)."""


@dataclass(frozen=True, kw_only=True)
class DelongTest:
    """A paired test of two AUCs."""

    drop: float
    """AUC of the reference minus AUC of the candidate."""
    standard_error: float
    z: float | None
    """None where the estimated variance is zero though the AUCs differ: the test does not apply."""
    p_value: float | None
    """Two-sided; None as `z`."""


def auc_covariance(labels_N: Labels, scores_KN: Scores) -> AucCovariance | None:
    """AUCs and their covariance, ties counted as halves.

    Args:
        labels_N: (N,).
        scores_KN: (K, N).

    Returns:
        None with fewer than two positives or two negatives, where a variance is not defined.

    Raises:
        ValueError: the shapes do not fit.
    """
    if scores_KN.ndim != 2 or labels_N.shape != scores_KN.shape[1:]:
        raise ValueError(f"scores must be (K, {labels_N.size}), got {scores_KN.shape}.")
    sure = labels_N >= 0
    labels_N, scores_KN = labels_N[sure], scores_KN[:, sure]
    positive, negative = labels_N == 1, labels_N == 0
    m, n = int(positive.sum()), int(negative.sum())
    if m < 2 or n < 2:
        return None
    shares_KN = np.stack([pair_shares(labels_N, scores_N) for scores_N in scores_KN])
    above_Km, below_Kn = shares_KN[:, positive], shares_KN[:, negative]
    covariance = np.atleast_2d(np.cov(above_Km)) / m + np.atleast_2d(np.cov(below_Kn)) / n
    return AucCovariance(aucs=above_Km.mean(axis=1), covariance=covariance)


def paired_test(
    labels_N: Labels,
    reference_N: Scores,
    candidate_N: Scores,
) -> DelongTest | None:
    """Test whether two sets of scores on the same images have the same AUC.

    Returns:
        None with fewer than two positives or two negatives.

    Raises:
        ValueError: the shapes do not fit.
    """
    estimate = auc_covariance(labels_N, np.stack([reference_N, candidate_N]))
    if estimate is None:
        return None
    drop = float(estimate.aucs[0] - estimate.aucs[1])
    (v_reference, both), (_, v_candidate) = estimate.covariance.tolist()
    # Rounding can leave a tiny variance, of either sign, where the two orders agree on every pair.
    variance = v_reference + v_candidate - 2 * both
    if variance <= 1e-15:
        same = abs(drop) <= 1e-12
        return DelongTest(
            drop=drop, standard_error=0.0, z=0.0 if same else None, p_value=1.0 if same else None
        )
    z = drop / sqrt(variance)
    return DelongTest(drop=drop, standard_error=sqrt(variance), z=z, p_value=erfc(abs(z) / sqrt(2)))


def pair_shares(labels_N: Labels, scores_N: Scores) -> NDArray[np.float64]:
    """What each image adds to the AUC: the paper's V10 of positives and V01 of negatives, ties as halves.

    Returns:
        float64 (N,): for a positive the share of negatives below, for a negative that of positives above; 0
        where the label is not known, and everywhere without both labels.
    """
    shares_N = np.zeros(labels_N.size)
    positive, negative = labels_N == 1, labels_N == 0
    if not positive.any() or not negative.any():
        return shares_N
    sure = positive | negative
    among_all_N = np.zeros(labels_N.size)
    among_all_N[sure] = midranks(scores_N[sure])
    shares_N[positive] = (among_all_N[positive] - midranks(scores_N[positive])) / negative.sum()
    shares_N[negative] = 1 - (among_all_N[negative] - midranks(scores_N[negative])) / positive.sum()
    return shares_N


def midranks(values_N: Scores) -> NDArray[np.float64]:
    """Ranks from 1 up; equal values share the mean of their ranks."""
    _, group_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[group_N]
    return ranks
