"""The gate on single findings: truth tables, and how often it errs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Split
from xopt.metrics.bootstrap import ClassDrop
from xopt.metrics.operating_points import Decisions, OperatingChange
from xopt.optimize.gate.gate import GateSettings, run_gate
from xopt.optimize.gate.per_class import Finding, describe_findings, judge_findings


def finding(
    name: str, drop: float | None, error: float = 0.001, patients: int = 40, without: int = 40
) -> Finding:
    measured = ClassDrop(drop=drop or 0, lower=0, upper=0, p_value=1, standard_error=error)
    return Finding(
        name=name,
        positives=patients,
        positive_patients=patients,
        negative_patients=without,
        reference_auc=0.8,
        candidate_auc=0.8,
        drop=None if drop is None else measured,
        delong_p_value=None,
        operating=OperatingChange(
            sensitivity=(0.5, 0.5),
            calibration_error=(0.1, 0.1),
            decisions=Decisions(threshold=0.5, flips=0, gained=0, lost=0),
        ),
    )


@pytest.mark.parametrize(
    ("drop", "error", "patients", "judged"),
    [
        (0.000, 0.001, 40, "kept"),
        (-0.02, 0.005, 40, "kept"),
        (0.000, 0.000, 40, "kept"),
        (0.019, 0.000, 40, "kept"),
        (0.020, 0.000, 40, "lost"),
        (0.030, 0.001, 40, "lost"),
        (0.020, 0.010, 40, "lost"),
        (0.010, 0.010, 40, "too_few"),
        (0.000, 0.001, 9, "not_tested"),
        (0.300, 0.001, 9, "not_tested"),
        (None, 0.001, 40, "not_tested"),
    ],
)
def test_a_finding_is_judged_by_its_own_drop_and_patients(drop, error, patients, judged):
    (found,) = judge_findings([finding("a", drop, error, patients)], 0.02)
    assert found.judged == judged
    assert (found.p_value is None) == (judged == "not_tested")


@pytest.mark.parametrize(
    ("patients", "without", "judged"), [(10, 10, "kept"), (200, 9, "not_tested"), (9, 200, "not_tested")]
)
def test_both_labels_need_patients(patients, without, judged):
    """Where nearly everybody has a finding, the few without it are what the AUC rests on."""
    (found,) = judge_findings([finding("a", 0.0, 0.001, patients, without)], 0.02)
    assert found.judged == judged


def test_what_holds_alone_may_not_hold_among_many():
    # z = 2: p = 0.023 alone, and fourteen times that among fourteen.
    border = finding("border", 0.0, 0.01)
    (alone,) = judge_findings([border], 0.02)
    among = judge_findings([replace(border, name=str(i)) for i in range(14)], 0.02)
    assert alone.judged == "kept"
    assert {found.judged for found in among} == {"too_few"}
    assert among[0].p_corrected == pytest.approx(14 * alone.p_value)


def test_findings_with_few_patients_cost_the_others_nothing():
    border, rare = finding("border", 0.0, 0.01), finding("rare", 0.0, patients=3)
    found = judge_findings([border, rare, replace(rare, name="rarer")], 0.02)
    assert [one.judged for one in found] == ["kept", "not_tested", "not_tested"]


def test_the_line_names_every_finding_that_was_not_kept():
    found = judge_findings(
        [finding("a", 0.0), finding("b", 0.05), finding("c", 0.01, 0.02), finding("d", 0.0, patients=2)], 0.02
    )
    assert describe_findings(found) == (
        "1 of 4 findings kept; lost: b; not shown either way: c; "
        "not tested, fewer than 10 patients with or without it: d"
    )


def gated(worse: float, *, count: int = 600, seed: int = 0, margin: float = 0.05, **settings):
    """Three findings, the second of which loses `worse` standard deviations of noise."""
    random = np.random.default_rng(seed)
    labels = (random.random((count, 3)) < 0.3).astype(np.uint8)
    reference = labels * 1.5 + random.normal(size=labels.shape)
    candidate = reference + random.normal(size=labels.shape) * np.array([0.02, worse, 0.02])
    names = tuple(f"{i}.png" for i in range(count))
    split = Split(name="val", images=names, labels_NC=labels, patients=names, folders=(Path(),))
    how = GateSettings(max_auc_drop=0.2, max_class_auc_drop=margin, resamples=200, **settings)
    return run_gate("made up", ("a", "b", "c"), split, reference, candidate, how)


def test_one_mean_does_not_hide_a_lost_finding():
    result = gated(3.0)
    assert result.verdict.outcome == "failed"
    assert result.verdict.reason.startswith("b lost too much: within the margin: mean AUC drop")
    assert [found.judged for found in result.findings] == ["kept", "lost", "kept"]


def test_all_findings_kept_pass():
    result = gated(0.02)
    assert result.verdict.passed
    assert "3 of 3 findings kept, allowed 0.0500 each" in result.verdict.reason


def test_a_finding_that_cannot_be_told_asks_for_more_images():
    result = gated(0.3, count=120, margin=0.03)
    assert result.verdict.outcome == "too_few"
    assert result.verdict.images_needed > 120


def test_the_record_holds_what_a_finding_was_judged_by():
    record = gated(3.0).to_json()
    assert record["max_class_auc_drop"] == 0.05
    lost = record["classes"]["b"]
    assert lost["judged"] == "lost"
    assert lost["auc_drop"] == pytest.approx(lost["reference"] - lost["candidate"])
    assert lost["delong_p_value"] < 0.001
    assert lost["decisions"]["flips"] >= lost["decisions"]["lost"] > lost["decisions"]["gained"]
    assert (
        lost["sensitivity_at_specificity_0.9"]["reference"]
        > lost["sensitivity_at_specificity_0.9"]["candidate"]
    )


def test_a_lost_finding_is_rarely_called_kept():
    # At a true drop of the margin, one in twenty at most: 5 of 60 is beyond the 99 % point of that.
    from scipy.stats import norm

    margin = float(norm.cdf(1.5 / np.sqrt(2)) - norm.cdf(1.5 / np.sqrt(2 * (1 + 0.5**2))))
    kept = sum(gated(0.5, seed=seed, margin=margin).findings[1].judged == "kept" for seed in range(60))
    assert kept <= 7
