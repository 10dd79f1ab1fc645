import numpy as np
import pytest

from xopt.metrics.delong import mean_drop
from xopt.metrics.scores import roc_auc
from xopt.tools.gate_simulation import Setting, describe, draw, pass_rate, studies


@pytest.mark.parametrize("noise", [None, 0.1])
@pytest.mark.parametrize("drop", [0.0, 0.01, 0.05])
def test_the_drawn_scores_have_the_aucs_that_were_asked_for(drop, noise):
    setting = Setting(patients=40_000, prevalences=(0.3,), drop=drop, noise=noise)
    labels, reference, candidate, patients = draw(setting, np.random.default_rng(0))
    assert roc_auc(labels[:, 0], reference[:, 0]) == pytest.approx(0.75, abs=0.005)
    found = roc_auc(labels[:, 0], reference[:, 0]) - roc_auc(labels[:, 0], candidate[:, 0])
    assert found == pytest.approx(drop, abs=0.003)
    assert len(set(patients)) == 40_000


def test_noise_that_costs_the_margin_by_itself_leaves_the_distance_as_it_was():
    labels, reference, candidate, _ = draw(Setting(patients=20_000), np.random.default_rng(0))
    added = (candidate - reference)[:, 3]
    positive = labels[:, 3] == 1
    assert added[positive].mean() == pytest.approx(added[~positive].mean(), abs=0.02)
    assert added.std() == pytest.approx(Setting().tau, rel=0.02)


def test_images_of_a_patient_resemble_each_other():
    labels, reference, _, _ = draw(Setting(patients=20_000, shared=0.5), np.random.default_rng(0))
    noise = reference[:, 0] - reference[labels[:, 0] == 1, 0].mean() * labels[:, 0]
    assert np.corrcoef(noise[0::2], noise[1::2])[0, 1] == pytest.approx(0.5, abs=0.03)


def test_the_studies_measure_the_error_and_the_power_at_three_sizes_and_more():
    drops = {}
    for setting in studies():
        drops.setdefault((setting.patients, setting.noise), set()).add(setting.drop / setting.margin)
    slight = {patients: found for (patients, noise), found in drops.items() if noise is not None}
    assert len(slight) >= 3
    assert all(found == {1.0, 0.5, 0.0} for found in slight.values())
    assert all(1.0 in found for found in drops.values())


DRAWS = 2000
LEAST, MOST = 0.035, 0.065
"""3 standard errors of DRAWS studies around 5 %."""


@pytest.fixture(scope="module")
def at_the_margin():
    """What the gate measured in DRAWS studies of a candidate that has lost just the margin."""
    setting, random = Setting(patients=100, prevalences=(0.1, 0.3)), np.random.default_rng(0)
    return [mean_drop(*draw(setting, random)) for _ in range(DRAWS)]


@pytest.mark.slow
def test_a_drop_of_the_margin_passes_about_one_time_in_twenty(at_the_margin):
    assert LEAST <= np.mean([found.upper() <= 0.01 for found in at_the_margin]) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "too_often"), [(0.7, True), (1.4, False)])
def test_a_standard_error_that_is_too_small_or_too_large_would_show(at_the_margin, factor, too_often):
    """The test above can fail: a bound from such a standard error falls outside of its limits."""
    bounds = [found.drop + factor * (found.upper() - found.drop) for found in at_the_margin]
    rate = np.mean([bound <= 0.01 for bound in bounds])
    assert rate > MOST if too_often else rate < LEAST


def test_power_grows_with_images_and_falls_with_the_drop():
    def power(patients, drop):
        setting = Setting(patients=patients, prevalences=(0.1, 0.3), drop=drop, noise=0.1)
        return pass_rate(setting, draws=100).rate

    few, many, half = power(50, 0.0), power(300, 0.0), power(300, 0.005)
    assert few + 0.2 < many
    assert half + 0.2 < many
    assert many > 0.8


def test_the_table_names_size_noise_and_share():
    rate = pass_rate(Setting(patients=40, drop=0.0), draws=2)
    line = describe([rate]).splitlines()[2].split()
    assert line[:5] == ["4", "40", "80", "0.31", "0.000"]
    assert line[-1] == "2"
