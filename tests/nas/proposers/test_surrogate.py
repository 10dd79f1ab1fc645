"""The default proposer."""

from itertools import product

import numpy as np
import pytest

from xopt.nas.problem import Known, Trial
from xopt.nas.proposers.surrogate import Surrogate, SurrogateSettings
from xopt.runtime.errors import UsageError

from .proposer_contract import FromHistoryAlone, problem, worth


class TestSurrogate(FromHistoryAlone):
    name = "surrogate"


class TestThompson(FromHistoryAlone):
    name = "thompson"


def test_the_largest_network_comes_first_where_size_is_believed_in():
    assert {Surrogate(problem(seed)).propose([], 1)[0] for seed in range(5)} == {"2222"}


def test_every_second_network_is_asked_for_without_that_belief():
    history = [Trial(code="2222", value=0.8)]
    first, second = Surrogate(problem()).propose([], 2)
    assert first == "2222"
    for code in (second, Surrogate(problem()).propose(history, 1)[0]):
        assert sum(map(int, code)) <= 4


def test_nothing_is_believed_of_size_when_that_is_switched_off():
    settings = SurrogateSettings(upgrades_help=False)
    assert len({Surrogate(problem(seed), settings).propose([], 1)[0] for seed in range(8)}) > 3


def test_networks_of_others_are_scored_in_the_order_of_what_was_learnt():
    codes = ["".join(code) for code in product("012", repeat=4)]
    history = [Trial(code=code, value=worth(code)) for code in codes[::3]]
    surrogate = Surrogate(problem(), SurrogateSettings(exploration=0))
    rest = codes[1::3]
    scores = surrogate.scores(history, rest)
    assert np.corrcoef(scores, [-np.log(1 - worth(code)) for code in rest])[0, 1] > 0.95
    assert surrogate.scores(history, []).shape == (0,)
    with pytest.raises(UsageError, match="4 digits"):
        surrogate.scores(history, ["22222"])


def test_what_runs_is_less_worth_exploring_nearby():
    history = [Trial(code="1000", value=0.7), Trial(code="0010", value=0.72), Trial(code="1010", value=0.75)]
    surrogate = Surrogate(problem())
    before = surrogate.scores(history, ["2222"])[0]
    after = surrogate.scores([*history, Trial(code="2221")], ["2222"])[0]
    assert after < before


def test_a_value_at_the_ceiling_is_finite():
    known = Known.of([Trial(code="1000", value=1.0), Trial(code="2000", value=0.9)], problem())
    assert known.targets_N == pytest.approx(-np.log([0.05, 0.1]))
    assert np.isfinite(Known.of([Trial(code="1000", value=1.0)], problem()).targets_N).all()


@pytest.mark.parametrize("odd", [{"choice": "ei"}, {"exploration": -1.0}, {"exploration": float("nan")}])
def test_settings_that_mean_nothing_are_refused(odd):
    with pytest.raises(UsageError, match="got"):
        SurrogateSettings(**odd)
