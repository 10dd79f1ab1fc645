import numpy as np
import pytest

from xopt.metrics.holm import holm


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.9, 0.001], [0.9, 0.002]),
        ([0.0, 1.0], [0.0, 1.0]),
    ],
)
def test_p_values_are_corrected_step_by_step(given, corrected):
    assert holm(given) == pytest.approx(corrected)


def test_all_tests_together_err_at_most_as_often_as_allowed():
    p_DM = np.random.default_rng(0).random((4000, 8))
    wrong = np.mean([min(holm(list(p_M))) <= 0.05 for p_M in p_DM])
    assert wrong == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(value):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        holm([0.5, value])
