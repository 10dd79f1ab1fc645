"""The X-ray space behind the same interface as the macro space."""

import numpy as np
import pytest

from xopt.nas import XraySpace
from xopt.nas.problem import Problem, Trial
from xopt.nas.space import Limits
from xopt.nas.validated_proposer import make_proposer
from xopt.runtime.errors import UsageError

SPACE = XraySpace(classes=14, channels=1)
MIDDLE = "1" * 17


def test_resolution_costs_work_and_no_weights():
    low, high = SPACE.cost("0" + MIDDLE[1:]), SPACE.cost("2" + MIDDLE[1:])
    assert low.parameters == high.parameters
    assert high.macs / low.macs == pytest.approx((224 / 160) ** 2, rel=0.01)
    assert (SPACE.input_size("0" + MIDDLE[1:]), SPACE.input_size("2" + MIDDLE[1:])) == (160, 224)


def test_every_code_is_its_own_network():
    assert SPACE.canonical(MIDDLE) == MIDDLE
    assert SPACE.architecture(MIDDLE) == f"xray-{MIDDLE}"
    assert SPACE.features([MIDDLE]).tolist() == [[1, 0] * 17]


@pytest.mark.parametrize("odd", [{"classes": 0}, {"channels": 2}])
def test_a_space_that_no_network_can_have_is_refused(odd):
    with pytest.raises(UsageError, match="got"):
        XraySpace(**odd)


@pytest.mark.parametrize("name", ["surrogate", "thompson", "evolution", "random"])
def test_a_space_too_large_to_list_is_searched_within_tight_limits(name):
    limits = Limits(macs=60_000_000, parameters=400_000)
    problem = Problem(space=SPACE, allowed=lambda code: limits.allow(SPACE.cost(code)), seed=1)
    proposer = make_proposer(name, problem)
    history = []
    while len(history) < 6:
        codes = proposer.propose(history, 2)
        assert len(codes) == 2
        history += [Trial(code=code, value=worth(code)) for code in codes]
    assert len({trial.code for trial in history}) == 6
    assert all(limits.allow(SPACE.cost(trial.code)) for trial in history)


def worth(code):
    """An AUC that depth and resolution raise."""
    digits = np.array([int(digit) for digit in code])
    return 0.7 + 0.01 * digits[0] + 0.005 * digits[2::3].sum() - 0.002 * digits[3::3].sum()


def test_the_surrogate_climbs_further_than_chance_in_a_space_too_large_to_list():
    best = {}
    for name in ("surrogate", "random"):
        found = []
        for seed in range(2):
            problem = Problem(space=SPACE, allowed=lambda _code: True, seed=seed)
            proposer, history = make_proposer(name, problem, upgrades_help=False), []
            for _ in range(14):
                (code,) = proposer.propose(history, 1)
                history.append(Trial(code=code, value=worth(code)))
            found.append(max(trial.value for trial in history))
        best[name] = np.mean(found)
    assert best["surrogate"] > best["random"] + 0.01
