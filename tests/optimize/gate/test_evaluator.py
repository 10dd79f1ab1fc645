"""Verdicts on images that were asked before."""

import numpy as np
import pytest

from xopt.datasets import Split
from xopt.optimize.gate.evaluator import at_stricter_level
from xopt.optimize.gate.gate import GateSettings, run_gate

NAMES = tuple(f"{index}.png" for index in range(200))
RANDOM = np.random.default_rng(3)
LABELS = (RANDOM.random((200, 1)) < 0.4).astype(np.uint8)
BEFORE = (1 / (1 + np.exp(-RANDOM.normal(1.2 * LABELS)))).astype(np.float32)
AFTER = (BEFORE + RANDOM.normal(scale=0.05, size=BEFORE.shape)).clip(0, 1).astype(np.float32)


def asked(margin, **options):
    split = Split(name="val", images=NAMES, labels_NC=LABELS, patients=NAMES, folders=())
    settings = GateSettings(max_auc_drop=margin, resamples=300, **options)
    return run_gate("drawn", ("Mass",), split, BEFORE, AFTER, settings)


@pytest.fixture(scope="module")
def drop():
    return asked(1).verdict.drop


@pytest.mark.parametrize(
    ("errors", "first", "second"),
    [(-1, "failed", "failed"), (1, "too_few", "too_few"), (2, "passed", "too_few"), (3, "passed", "passed")],
)
def test_a_margin_some_standard_errors_away_is_judged_at_the_stricter_level(drop, errors, first, second):
    result = asked(drop.drop + errors * drop.standard_error)
    again = at_stricter_level(result, 0.005)
    assert (result.verdict.outcome, again.verdict.outcome) == (first, second)
    assert "a later look at the same images, at 0.5%" in again.verdict.reason


def test_a_finding_that_was_kept_at_five_percent_has_to_be_kept_at_the_stricter_level(drop):
    finding = asked(1).findings[0].drop
    margin = finding.drop + 2 * finding.standard_error
    result = asked(1, max_class_auc_drop=margin)
    assert result.verdict.passed
    again = at_stricter_level(result, 0.005)
    assert again.verdict.outcome == "too_few"
    assert "not shown for Mass" in again.verdict.reason
