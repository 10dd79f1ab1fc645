"""The drop in mean AUC with a bound that errs one time in twenty, by DeLong's variance over patients.

An AUC is a mean over pairs of a positive and a negative image. What an image adds to it (DeLong, DeLong &
Clarke-Pearson, Biometrics 44 (1988) 837-845) is summed over the images of a patient, as these resemble each
other (Obuchowski, Biometrics 53 (1997) 567-578), and over the classes, which share patients. The variance of
the mean is the sum of the patients' squares, each class's sums corrected for n - 1.

A bound is that of Student's t: a few patients with a rare finding hold most of the variance, so it is known
about as badly as if there were only these. Their number follows from the patients' fourth powers
(Satterthwaite, Biometrics Bulletin 2 (1946) 110-114). docs/decisions/0099 has what it was compared with.

Shapes: N images, C classes, P patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, pi, sqrt, tan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .delong import pair_shares
from .scores import Labels, Scores

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
        """What the true drop exceeds in at most `level` of all studies."""
        room = student_quantile(1 - level, self.degrees_of_freedom) * self.standard_error
        # No AUC can fall or rise by more than 1.
        return min(1.0, self.drop + room)

    def lower(self, level: float = LEVEL) -> float:
        """What the true drop falls below in at most `level` of all studies."""
        room = student_quantile(1 - level, self.degrees_of_freedom) * self.standard_error
        return max(-1.0, self.drop - room)


@dataclass(frozen=True)
class _Label:
    """What the images with one label of a class add to its drop."""

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
