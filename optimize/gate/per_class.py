"""The gate's second look: one mean hides a lost rare finding, so every finding is judged on its own.

A finding is kept where a drop of the margin or more is ruled out: a one-sided test of non-inferiority whose
p-value is Phi((drop - margin) / standard error), the standard error from resampled patients. All findings
together err at most one time in twenty (Holm 1979). Too few patients with it, or too few without, prove
nothing either way: such a finding is named, and it neither passes nor fails.

Shapes: N images, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split
from ...metrics.bootstrap import ClassDrop, PairedDrop
from ...metrics.delong import paired_test
from ...metrics.holm import holm
from ...metrics.operating_points import OperatingChange, compare_operating
from ...metrics.scores import roc_auc

Judged = Literal["kept", "lost", "too_few", "not_tested"]

MIN_POSITIVE_PATIENTS = 10
"""With fewer patients who have a finding, or fewer who do not, it is not tested: its standard error is itself
a guess."""
ALPHA = 0.05
"""How often all findings together may be called kept in error."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The gate's result for one class."""

    name: str
    positives: int
    """Images that have it."""
    positive_patients: int
    negative_patients: int
    """Patients with an image that is known not to have it."""
    reference_auc: float | None
    candidate_auc: float | None
    drop: ClassDrop | None
    """None without both labels."""
    delong_p_value: float | None
    """Two-sided, of no difference, taking images as independent (DeLong et al. 1988)."""
    operating: OperatingChange
    """What changes at its operating points."""
    p_value: float | None = None
    """Of a drop of the margin or more, one-sided; None where it was not tested."""
    p_corrected: float | None = None
    """For all findings tested."""
    judged: Judged | None = None
    """None where findings are reported and not gated."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        drop = self.drop
        return {
            "reference": self.reference_auc,
            "candidate": self.candidate_auc,
            "positives": self.positives,
            "positive_patients": self.positive_patients,
            "negative_patients": self.negative_patients,
            "auc_drop": None if drop is None else drop.drop,
            "auc_drop_ci": None if drop is None else [drop.lower, drop.upper],
            "standard_error": None if drop is None else drop.standard_error,
            "delong_p_value": self.delong_p_value,
            **self.operating.to_json(),
            "p_value": self.p_value,
            "p_corrected": self.p_corrected,
            "judged": self.judged,
        }


def measure_findings(
    classes: Sequence[str],
    split: Split,
    reference_NC: NDArray[np.floating[Any]],
    candidate_NC: NDArray[np.floating[Any]],
    drop: PairedDrop,
    thresholds: Mapping[str, float],
) -> tuple[Finding, ...]:
    """Everything a candidate changes about each class.

    Args:
        classes: names of the C columns.
        split: N labelled images with patients.
        reference_NC: probabilities of the reference.
        candidate_NC: probabilities of the candidate.
        drop: of the same arrays, by `paired_auc_drop`.
        thresholds: per class, from which probability on it counts as present.
    """
    found = []
    labels_NC = split.marked_labels
    for c, name in enumerate(classes):
        labels_N, before_N, after_N = labels_NC[:, c], reference_NC[:, c], candidate_NC[:, c]
        delong = paired_test(labels_N, before_N, after_N)
        positive, negative = (
            {split.patients[i] for i in np.flatnonzero(labels_N == label)} for label in (1, 0)
        )
        found.append(
            Finding(
                name=name,
                positives=int((labels_N == 1).sum()),
                positive_patients=len(positive),
                negative_patients=len(negative),
                reference_auc=roc_auc(labels_N, before_N),
                candidate_auc=roc_auc(labels_N, after_N),
                drop=drop.classes[c],
                delong_p_value=None if delong is None else delong.p_value,
                operating=compare_operating(labels_N, before_N, after_N, thresholds[name]),
            )
        )
    return tuple(found)


def judge_findings(findings: Sequence[Finding], max_drop: float) -> tuple[Finding, ...]:
    """Judge each finding against a margin in AUC, the p-values corrected for the number of those tested.

    kept: its corrected p-value is at most 5 %. lost: its drop is the margin or more. too_few: neither.
    not_tested: fewer than MIN_POSITIVE_PATIENTS patients have it, or fewer are without it.
    """
    tested = [
        finding
        for finding in findings
        if finding.drop is not None
        and min(finding.positive_patients, finding.negative_patients) >= MIN_POSITIVE_PATIENTS
    ]
    values = [_not_inferior(finding.drop, max_drop) for finding in tested if finding.drop is not None]
    corrected = dict(
        zip([finding.name for finding in tested], zip(values, holm(values), strict=True), strict=True)
    )
    return tuple(_judged(finding, corrected.get(finding.name), max_drop) for finding in findings)


def _judged(finding: Finding, values: tuple[float, float] | None, max_drop: float) -> Finding:
    if values is None or finding.drop is None:
        return replace(finding, judged="not_tested")
    p_value, p_corrected = values
    judged: Judged = "too_few"
    if p_corrected <= ALPHA:
        judged = "kept"
    elif finding.drop.drop >= max_drop:
        judged = "lost"
    return replace(finding, p_value=p_value, p_corrected=p_corrected, judged=judged)


def _not_inferior(drop: ClassDrop, max_drop: float) -> float:
    """One-sided p-value of a true drop of `max_drop` or more."""
    room = max_drop - drop.drop
    if drop.standard_error == 0:
        # The same order of all images in every resample: what was measured is what there is.
        return 0.0 if room > 0 else 1.0
    return 0.5 * erfc(room / drop.standard_error / sqrt(2))


def describe_findings(findings: Sequence[Finding]) -> str:
    """One line about all findings that were gated."""
    parts = []
    for judged, words in (
        ("lost", "lost"),
        ("too_few", "not shown either way"),
        ("not_tested", f"not tested, fewer than {MIN_POSITIVE_PATIENTS} patients with or without it"),
    ):
        names = [finding.name for finding in findings if finding.judged == judged]
        if names:
            parts.append(f"{words}: {', '.join(names)}")
    kept = sum(finding.judged == "kept" for finding in findings)
    return "; ".join([f"{kept} of {len(findings)} findings kept", *parts])
