"""Variance and paired comparison of AUCs without resampling, over images and over patients.

DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845, computed from midranks as in Sun & Xu, IEEE
Signal Processing Letters 21 (2014) 1389-1393: O(n log n) where the definition takes O(m n). Images count as
independent; where a patient has several, errors are too small: `mean_drop` and `bootstrap` are right.

`mean_drop` bounds the drop in mean AUC so that it errs one time in twenty. An AUC is a mean over pairs of a
positive and a negative image; what an image adds to it is summed over the images of a patient, as these
resemble each other (Obuchowski, Biometrics 53 (1997) 567-578), and over the classes, which share patients.
The variance of the mean is the sum of the patients' squares, each class's sums corrected for n - 1. The bound
is that of Student's t: a few patients with a rare finding hold most of the variance, so it is known about as
badly as if there were only these. Their number follows from the patients' fourth powers (Satterthwaite,
Biometrics Bulletin 2 (1946) 110-114). docs/decisions/0099 has what it was compared with.

Shapes: N images, C classes, P patients, K sets of scores, m positives, n negatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, inf, pi, sqrt, tan
from statistics import NormalDist

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
    """Each image's share of the AUC: the paper's V10 of positives and V01 of negatives, ties as halves.

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


LEVEL = 0.05
"""How often a one-sided bound may miss."""


@dataclass(frozen=True, kw_only=True)
class MeanDrop:
    """The drop in mean AUC and how well it is known."""

    drop: float
    """Mean AUC of the reference minus that of the candidate, over the classes with both labels."""
    standard_error: float
    degrees_of_freedom: float
    """Of the standard error, 1 to P - 1."""

    def upper(self, level: float = LEVEL) -> float:
        """Upper bound that the true drop exceeds in at most `level` of all studies."""
        room = student_quantile(1 - level, self.degrees_of_freedom) * self.standard_error
        # No AUC can fall or rise by more than 1.
        return min(1.0, self.drop + room)

    def lower(self, level: float = LEVEL) -> float:
        """Lower bound that the true drop falls below in at most `level` of all studies."""
        room = student_quantile(1 - level, self.degrees_of_freedom) * self.standard_error
        return max(-1.0, self.drop - room)


@dataclass(frozen=True)
class _Label:
    """The shares in a class's drop of its images with one label."""

    sums_P: NDArray[np.float64]
    """The patients' deviations from the drop, over the number of images."""
    patients: int
    """Those with such an image."""
    changed: bool
    """Whether any pair of the class is in another order."""

    @property
    def scaled(self) -> NDArray[np.float64]:
        """float64 (P,) whose squares sum to the variance; zero where a single patient has the label."""
        return self.sums_P * sqrt(self.patients / max(self.patients - 1, 1))

    @property
    def spread(self) -> float:
        """Sum of squares of the patients' mean deviations, as if all had as many images."""
        return float(np.square(self.sums_P * self.patients).sum())


def mean_drop(
    labels_NC: Labels, reference_NC: Scores, candidate_NC: Scores, patients: Sequence[str]
) -> MeanDrop | None:
    """The drop in mean AUC from a reference to a candidate.

    Args:
        labels_NC: 0, 1 or -1 for not known (N, C).
        reference_NC: scores of the reference (N, C).
        candidate_NC: scores of the candidate (N, C).
        patients: N names.

    Returns:
        None where no class has both labels.
    """
    _, patient_N = np.unique(np.asarray(patients), return_inverse=True)
    count = int(patient_N.max()) + 1 if patient_N.size else 0
    known_P = np.zeros(count, dtype=np.bool_)
    drops: list[float] = []
    parts: dict[int, list[_Label]] = {1: [], 0: []}
    for labels_N, reference_N, candidate_N in zip(labels_NC.T, reference_NC.T, candidate_NC.T, strict=True):
        shares_N = pair_shares(labels_N, reference_N) - pair_shares(labels_N, candidate_N)
        held = {label: labels_N == label for label in parts}
        if not all(mask_N.any() for mask_N in held.values()):
            continue
        drops.append(float(shares_N[held[1]].mean()))
        for label, mask_N in held.items():
            known_P[patient_N[mask_N]] = True
            sums_P = np.zeros(count)
            np.add.at(sums_P, patient_N[mask_N], (shares_N[mask_N] - drops[-1]) / mask_N.sum())
            owners = np.unique(patient_N[mask_N]).size
            parts[label].append(_Label(sums_P, owners, changed=bool(shares_N.any())))
    if not drops:
        return None
    total_P, unseen = np.zeros(count), 0.0
    for same_label in parts.values():
        total_P += sum(part.scaled for part in same_label) / len(drops)
        unseen += _unseen(same_label) / len(drops) ** 2
    squares_P = np.square(total_P)[known_P]
    within = float(squares_P.sum())
    variance = within + unseen
    return MeanDrop(
        drop=float(np.mean(drops)), standard_error=sqrt(variance), degrees_of_freedom=_freedom(squares_P)
    )


def _freedom(squares_P: NDArray[np.float64]) -> float:
    """2 E(V)^2 / Var(V) of a variance V that is the sum of the patients' squares."""
    total, most = float(squares_P.sum()), float(max(squares_P.size - 1, 1))
    if total <= 0:
        return 1.0
    relative_variance = float(np.square(squares_P).sum()) / total**2 - 1 / squares_P.size
    return most if relative_variance <= 2 / most else max(1.0, 2 / relative_variance)


def _unseen(same_label: Sequence[_Label]) -> float:
    """Variance of what a single patient stands for, which shows none: taken to be that of the other classes.

    Where no class has two patients with the label, 1, which no variance of a difference of shares exceeds.
    Classes add up as if their single patients were different ones.
    """
    changed = [part for part in same_label if part.changed]
    alone = sum(part.patients == 1 for part in changed)
    freedom = sum(part.patients - 1 for part in changed)
    if not alone:
        return 0.0
    spread = sum(part.spread for part in changed if part.patients > 1)
    return alone * (spread / freedom if freedom else 1.0)


def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t from that of a normal distribution.

    Fisher & Cornish's expansion (Abramowitz & Stegun 1964, 26.7.5): within 1 % of the exact value from 3
    degrees of freedom and up to 0.995. Below 3 the closed form of 2 degrees, below 2 that of 1: too far out
    where it is not a whole number. The base install has no scipy.
    """
    if degrees < 2:
        return tan(pi * (probability - 0.5))
    if degrees < 3:
        both = 2 * probability - 1
        return both * sqrt(2 / (1 - both**2))
    z = NormalDist().inv_cdf(probability)
    if degrees == inf:
        return z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees ** (k + 1) for k, term in enumerate(terms))
