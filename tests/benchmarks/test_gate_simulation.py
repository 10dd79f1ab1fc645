import numpy as np
import pytest

from xopt.benchmarks.gate_simulation import Setting, draw, pass_rate
from xopt.benchmarks.metrics import roc_auc


@pytest.mark.parametrize("drop", [0.01, 0.05])
def test_the_drawn_scores_have_the_aucs_that_were_asked_for(drop):
    setting = Setting(patients=40_000, prevalences=(0.3,), drop=drop)
    labels, reference, candidate, patients = draw(setting, np.random.default_rng(0))
    assert roc_auc(labels[:, 0], reference[:, 0]) == pytest.approx(0.75, abs=0.005)
    found = roc_auc(labels[:, 0], reference[:, 0]) - roc_auc(labels[:, 0], candidate[:, 0])
    assert found == pytest.approx(drop, abs=0.003)
    assert len(set(patients)) == 40_000


def test_images_of_a_patient_resemble_each_other():
    labels, reference, _, _ = draw(Setting(patients=20_000, shared=0.5), np.random.default_rng(0))
    noise = reference[:, 0] - reference[labels[:, 0] == 1, 0].mean() * labels[:, 0]
    assert np.corrcoef(noise[0::2], noise[1::2])[0, 1] == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_a_drop_of_the_margin_passes_about_one_time_in_twenty_and_no_drop_mostly():
    kept = {"patients": 150, "prevalences": (0.1, 0.3)}
    at_margin = pass_rate(Setting(**kept), draws=300, resamples=200)
    assert 0.02 <= at_margin.rate <= 0.09
    assert pass_rate(Setting(**kept, drop=0.0), draws=40, resamples=200).rate > 0.9
