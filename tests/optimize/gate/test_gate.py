"""The gate's verdicts: truth tables, and how often it errs on made-up scores."""

from math import inf
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Split
from xopt.metrics.bootstrap import PairedDrop
from xopt.optimize.gate.gate import GateSettings, check_gate_split, judge, run_gate
from xopt.runtime.errors import DataError, UsageError


def measured(drop: float, error: float, *, images: int = 400, patients: int = 200) -> PairedDrop:
    """A drop whose replicates are normal."""
    return PairedDrop(
        drop=drop,
        standard_error=error,
        degrees_of_freedom=inf,
        lower=drop - 1.96 * error,
        upper=drop + 1.96 * error,
        lower_one_sided=drop - 1.645 * error,
        upper_one_sided=drop + 1.645 * error,
        p_value=0.5,
        resamples=2000,
        images=images,
        patients=patients,
        classes=(),
    )


@pytest.mark.parametrize(
    ("drop", "error", "margin", "outcome", "needed"),
    [
        # Passes: the upper bound is within the margin.
        (0.000, 0.000, 0.01, "passed", None),
        (0.000, 0.000, 0.00, "passed", None),
        (0.002, 0.004, 0.01, "passed", None),
        (-0.02, 0.004, 0.00, "passed", None),
        (-0.02, 0.004, -0.01, "passed", None),
        # Failed: the drop itself reaches the margin, and more images would show it more clearly.
        (0.020, 0.001, 0.01, "failed", None),
        (0.020, 0.050, 0.01, "failed", None),
        (0.010, 0.004, 0.01, "failed", None),
        (0.000, 0.000, -1.0, "failed", None),
        (0.001, 0.001, 0.00, "failed", None),
        # Too few: the drop is within the margin, its upper bound is not. n (2.487 SE / room)^2 would do.
        (0.002, 0.006, 0.01, "too_few", 1400),
        (0.000, 0.010, 0.01, "too_few", 2500),
        (0.009, 0.004, 0.01, "too_few", 40_000),
        (-0.01, 0.020, 0.01, "too_few", 2500),
    ],
)
def test_the_verdict_follows_from_drop_and_bound(drop, error, margin, outcome, needed):
    verdict = judge(measured(drop, error), margin)
    assert (verdict.outcome, verdict.images_needed) == (outcome, needed)
    assert verdict.passed == (outcome == "passed")
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(
    ("images", "patients", "outcome", "needed"),
    [(300, 30, "passed", None), (290, 29, "too_few", 300), (4, 1, "too_few", 120), (1, 1, "too_few", 30)],
)
def test_a_handful_of_patients_cannot_pass_whatever_they_show(images, patients, outcome, needed):
    verdict = judge(measured(0.0, 0.0, images=images, patients=patients), 0.01)
    assert (verdict.outcome, verdict.images_needed) == (outcome, needed)


def test_a_margin_of_one_is_no_gate():
    assert judge(measured(0.3, 0.1, images=4, patients=2), 1.0).passed


def test_the_line_says_what_was_measured_and_how_many_would_do():
    assert judge(measured(0.002, 0.006), 0.01).reason == (
        "too few images to tell, about 1400 like these would: mean AUC drop 0.0020, 95 % upper bound 0.0119, "
        "allowed 0.0100, on 400 images of 200 patients"
    )


def scores(count: int, noise: float, *, seed: int):
    """Labels of two findings, the reference's scores, and a candidate's that lost something by noise."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((count, 2)) < 0.4).astype(np.uint8)
    reference = labels * 1.2 + generator.normal(size=labels.shape)
    candidate = reference + generator.normal(scale=noise, size=labels.shape)
    return labels, reference, candidate


def gated(count: int, noise: float, *, seed: int, margin: float):
    labels, reference, candidate = scores(count, noise, seed=seed)
    names = tuple(f"{i}.png" for i in range(count))
    split = Split(name="val", images=names, labels_NC=labels, patients=names, folders=(Path(),))
    settings = GateSettings(max_auc_drop=margin, resamples=200)
    return run_gate("made up", ("a", "b"), split, reference, candidate, settings).verdict


def true_drop(noise: float) -> float:
    """AUC of two normals that lie 1.2 apart, Phi(1.2 / sqrt(2 variance)), before and after noise."""
    from scipy.stats import norm

    return float(norm.cdf(1.2 / np.sqrt(2)) - norm.cdf(1.2 / np.sqrt(2 * (1 + noise**2))))


def test_a_candidate_just_at_the_margin_passes_about_one_time_in_twenty():
    margin = true_drop(0.5)
    passed = sum(gated(300, 0.5, seed=seed, margin=margin).passed for seed in range(200))
    # Binomial of 200 at 5 %: 18 is its 99 % point. The bootstrap of 200 resamples adds a little.
    assert passed <= 19


def test_the_named_number_of_images_is_enough_four_times_in_five():
    noise, margin, few = 0.3, true_drop(0.3) + 0.015, 120
    needed = [
        v.images_needed
        for seed in range(60)
        if (v := gated(few, noise, seed=seed, margin=margin)).images_needed
    ]
    assert needed, "the example is meant to have too few images"
    enough = int(np.median(needed))
    passed = sum(gated(enough, noise, seed=1000 + seed, margin=margin).passed for seed in range(60))
    assert passed >= 40
    assert sum(gated(few, noise, seed=2000 + seed, margin=margin).passed for seed in range(60)) < passed


@pytest.mark.parametrize("seed", range(5))
def test_a_candidate_that_is_noise_fails_outright(seed):
    assert gated(200, 10.0, seed=seed, margin=0.01).outcome == "failed"


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_the_reference_itself_passes(margin):
    assert gated(200, 0.0, seed=1, margin=margin).passed


def test_a_negative_margin_asks_for_improvement():
    assert gated(200, 0.0, seed=1, margin=-1.0).outcome == "failed"


def test_the_record_names_split_digest_classes_and_intervals():
    labels, reference, candidate = scores(80, 0.1, seed=2)
    labels[:, 1] = 0
    names = tuple(f"{i}.png" for i in range(80))
    split = Split(name="val", images=names, labels_NC=labels, patients=names, folders=())
    record = run_gate(
        "made up", ("a", "b"), split, reference, candidate, GateSettings(max_auc_drop=0.5)
    ).to_json()
    assert record["digest"] == split.digest
    assert (record["data"], record["split"], record["images"], record["patients"]) == (
        "made up",
        "val",
        80,
        80,
    )
    assert record["auc_drop"] == pytest.approx(record["auc_reference"] - record["auc_candidate"])
    assert record["auc_drop_ci"][0] <= record["auc_drop"] <= record["auc_drop_ci"][1]
    assert (record["classes"]["b"]["reference"], record["classes"]["b"]["auc_drop"]) == (None, None)
    assert record["classes"]["a"]["reference"] == record["auc_reference"]
    assert record["classes"]["a"]["judged"] is None


@pytest.mark.parametrize("labels", [[[0, 1]] * 40, [[0, 0]] * 40, [[1, 0]]])
def test_a_split_without_both_labels_cannot_gate(labels):
    names = tuple(f"{i}.png" for i in range(len(labels)))
    split = Split(name="val", images=names, labels_NC=np.array(labels, np.uint8), patients=names, folders=())
    with pytest.raises(DataError, match="no class with both positive and negative"):
        check_gate_split(split)


@pytest.mark.parametrize(
    "options",
    [
        {"max_auc_drop": 1.5},
        {"max_auc_drop": float("nan")},
        {"resamples": 10},
        {"max_class_auc_drop": 0.0},
        {"max_class_auc_drop": 1.5},
        {"max_class_auc_drop": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError, match="got"):
        GateSettings(**options)


def test_a_margin_of_one_is_no_gate_even_where_nothing_is_sure():
    labels = np.zeros((40, 1), np.uint8)
    labels[7] = 1
    names = tuple(f"{i}.png" for i in range(40))
    split = Split(name="val", images=names, labels_NC=labels, patients=names, folders=())
    random = np.random.default_rng(0)
    answers = [random.random((40, 1)).astype(np.float32) for _ in range(2)]
    result = run_gate("drawn", ("Mass",), split, *answers, GateSettings(max_auc_drop=1, resamples=100))
    assert result.verdict.passed
