"""The gate: did the candidate keep the reference's mean AUC, as far as the images can tell?

The drop is measured on the same images; its bound is DeLong's over patients (metrics.delong). A
candidate passes when the one-sided 95 % upper bound of the drop is within the margin: a non-inferiority
test (Walker and Nowacki 2011), in which too few images cannot pass by chance of being too few.

Shape suffixes: N images, C classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.heatmaps import HeatmapAgreement
from ...datasets import Split
from ...metrics.bootstrap import PairedDrop, paired_auc_drop
from ...metrics.scores import mean_auc
from ...runtime.errors import DataError
from ..settings import GateSettings
from .per_class import ALPHA, Finding, describe_findings, judge_findings, measure_findings

Outcome = Literal["passed", "failed", "too_few"]

MIN_PATIENTS = 30
"""Below this neither the variance over patients nor its degrees of freedom are known well enough."""
# Normal quantiles: 95 % confidence, and an 80 % chance to pass with as many images as we name.
_Z_CONFIDENCE = 1.645
_Z_POWER = 0.842
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The gate's verdict on a candidate."""

    outcome: Outcome
    """passed; failed: the drop itself is too large; too_few: the images cannot tell."""
    reason: str
    """One line: what was measured and what follows."""
    drop: PairedDrop
    """The drop in mean AUC with its bounds."""
    images_needed: int | None
    """About how many images like these would tell; None unless too_few."""

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """A verdict with what it was measured on."""

    verdict: Verdict
    settings: GateSettings
    dataset: str
    """The dataset's name."""
    digest: str
    """SHA-256 over the names and labels that were scored."""
    reference_auc: float
    """Mean AUC over the classes that have both labels."""
    candidate_auc: float
    findings: tuple[Finding, ...]
    """Each class on its own."""
    heatmaps: HeatmapAgreement | None = None
    """Whether the candidate looks at the same places; None where nothing was compared."""

    def describe(self) -> tuple[str, str]:
        """Two lines about a candidate that passed: its AUC, and its drop with interval and bound."""
        drop = self.verdict.drop
        return (
            f"passed on {self.settings.split}, {drop.images} images of {drop.patients} patients: "
            f"mean AUC {self.reference_auc:.4f} -> {self.candidate_auc:.4f}",
            f"drop {drop.drop:+.4f}, 95 % interval {drop.lower:+.4f} to {drop.upper:+.4f}; upper bound "
            f"{drop.upper_one_sided:+.4f}, allowed {self.settings.max_auc_drop:.4f}",
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        drop = self.verdict.drop
        return {
            "outcome": self.verdict.outcome,
            "reason": self.verdict.reason,
            "max_auc_drop": self.settings.max_auc_drop,
            "max_class_auc_drop": self.settings.max_class_auc_drop,
            "auc_reference": self.reference_auc,
            "auc_candidate": self.candidate_auc,
            "auc_drop": drop.drop,
            "auc_drop_ci": [drop.lower, drop.upper],
            "auc_drop_upper_one_sided": drop.upper_one_sided,
            "standard_error": drop.standard_error,
            "degrees_of_freedom": drop.degrees_of_freedom,
            "resamples": drop.resamples,
            "seed": self.settings.seed,
            "data": self.dataset,
            "split": self.settings.split,
            "digest": self.digest,
            "images": drop.images,
            "patients": drop.patients,
            "images_needed": self.verdict.images_needed,
            "heatmaps": None if self.heatmaps is None else self.heatmaps.to_json(),
            "classes": {finding.name: finding.to_json() for finding in self.findings},
        }


def check_gate_split(split: Split) -> None:
    """Check before long work that a split can gate at all.

    Raises:
        DataError: no class has both labels, so there is no AUC.
    """
    positives_C, negatives_C = (split.marked_labels == 1).sum(axis=0), (split.marked_labels == 0).sum(axis=0)
    if not ((positives_C > 0) & (negatives_C > 0)).any():
        raise DataError(
            f"split {split.name} has {len(split)} images and no class with both positive and negative ones, "
            "so there is no AUC to gate on; use a split with labels of both kinds"
        )


def run_gate(
    dataset: str,
    classes: tuple[str, ...],
    split: Split,
    reference_NC: NDArray[np.float32],
    candidate_NC: NDArray[np.float32],
    settings: GateSettings,
    thresholds: Mapping[str, float] | None = None,
) -> GateResult:
    """Compare a candidate's probabilities with the reference's on a labelled split.

    Args:
        dataset: the dataset's name, for the record.
        classes: names of the C columns.
        split: N images with labels and patients.
        reference_NC: probabilities of the reference, in the split's order.
        candidate_NC: probabilities of the candidate.
        settings: what is allowed.
        thresholds: per class, from which probability on it counts as present; 0.5 where not given.

    Raises:
        DataError: no class has both labels.
    """
    check_gate_split(split)
    labels_NC = split.marked_labels
    drop = paired_auc_drop(
        labels_NC,
        reference_NC.astype(np.float64),
        candidate_NC.astype(np.float64),
        split.patients,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    reference_auc, candidate_auc = mean_auc(labels_NC, reference_NC), mean_auc(labels_NC, candidate_NC)
    if reference_auc is None or candidate_auc is None:
        raise DataError(f"split {split.name} has no class with both labels, so there is no AUC")
    at = {name: (thresholds or {}).get(name, DEFAULT_THRESHOLD) for name in classes}
    findings = measure_findings(classes, split, reference_NC, candidate_NC, drop, at)
    verdict = judge(drop, settings.max_auc_drop)
    if settings.max_class_auc_drop is not None:
        findings = judge_findings(findings, settings.max_class_auc_drop)
        verdict = with_findings(verdict, findings, settings.max_class_auc_drop)
    return GateResult(
        verdict=verdict,
        settings=settings,
        dataset=dataset,
        digest=split.digest,
        reference_auc=reference_auc,
        candidate_auc=candidate_auc,
        findings=findings,
    )


def judge(drop: PairedDrop, max_auc_drop: float) -> Verdict:
    """Turn a measured drop into a verdict."""
    found = (
        f"mean AUC drop {drop.drop:.4f}, 95 % upper bound {drop.upper_one_sided:.4f}, allowed "
        f"{max_auc_drop:.4f}, on {drop.images} images of {drop.patients} patients"
    )
    # A margin of 1 is no gate at all: no AUC can fall by more.
    enough = drop.patients >= MIN_PATIENTS or max_auc_drop >= 1
    if enough and drop.upper_one_sided <= max_auc_drop:
        return Verdict(outcome="passed", reason=f"within the margin: {found}", drop=drop, images_needed=None)
    if drop.drop >= max_auc_drop or drop.lower_one_sided > max_auc_drop:
        reason = f"the drop itself is too large, more images would not help: {found}"
        return Verdict(outcome="failed", reason=reason, drop=drop, images_needed=None)
    needed = _images_needed(
        drop.images,
        drop.standard_error,
        room=max_auc_drop - drop.drop,
        least=drop.images * MIN_PATIENTS / drop.patients,
    )
    reason = f"too few images to tell, about {needed} like these would: {found}"
    return Verdict(outcome="too_few", reason=reason, drop=drop, images_needed=needed)


def with_findings(verdict: Verdict, findings: Sequence[Finding], max_class_auc_drop: float) -> Verdict:
    """A verdict on the mean AUC together with those on single findings: the worst of them counts."""
    reason = f"{verdict.reason}; {describe_findings(findings)}, allowed {max_class_auc_drop:.4f} each"
    lost = [finding for finding in findings if finding.judged == "lost"]
    unclear = [finding for finding in findings if finding.judged == "too_few"]
    if verdict.outcome == "failed" or (verdict.passed and not lost and not unclear):
        return replace(verdict, reason=reason)
    if lost:
        names = ", ".join(finding.name for finding in lost)
        return replace(
            verdict, outcome="failed", reason=f"{names} lost too much: {reason}", images_needed=None
        )
    tested = len([finding for finding in findings if finding.p_value is not None])
    needed = max(
        [verdict.images_needed or 0]
        + [_images_for(finding, verdict.drop.images, tested, max_class_auc_drop) for finding in unclear]
    )
    if verdict.outcome == "too_few":
        return replace(verdict, reason=reason, images_needed=needed)
    reason = f"too few images to tell for every finding, about {needed} like these would: {reason}"
    return replace(verdict, outcome="too_few", reason=reason, images_needed=needed)


def _images_for(finding: Finding, images: int, tested: int, max_class_auc_drop: float) -> int:
    """Images that one finding needs among all that are tested (Bonferroni's level, the strictest)."""
    if finding.drop is None:
        return 0
    return _images_needed(
        images,
        finding.drop.standard_error,
        room=max_class_auc_drop - finding.drop.drop,
        z_confidence=NormalDist().inv_cdf(1 - ALPHA / tested),
    )


def _images_needed(
    images: int, standard_error: float, *, room: float, z_confidence: float = _Z_CONFIDENCE, least: float = 0
) -> int:
    """About how many images a candidate with this drop needs to pass, four times in five.

    The standard error falls with the square root of the number of images, so the drop plus (z + 0.842)
    standard errors is within the margin from n * ((z + 0.842) * SE / (margin - drop))^2 on.

    Args:
        images: those there are, n.
        standard_error: of the drop, on them.
        room: margin - drop, above 0.
        z_confidence: normal quantile of the test.
        least: images that are needed in any case.
    """
    statistical = images * ((z_confidence + _Z_POWER) * standard_error / room) ** 2
    return _two_digits(max(statistical, least, images + 1))


def _two_digits(count: float) -> int:
    """Rounded up to two digits, since the rest would be false precision."""
    unit: int = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit
