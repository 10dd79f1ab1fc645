"""Optuna's samplers behind the one verb."""

import pytest

pytest.importorskip("optuna")

from xopt.nas.problem import Trial
from xopt.nas.proposers.optuna_samplers import OptunaSampler

from .proposer_contract import ProposerContract, problem, worth


class TestTpe(ProposerContract):
    name = "tpe"


class TestNsga2(ProposerContract):
    name = "nsga2"


@pytest.mark.slow
def test_a_gaussian_process_proposes_what_is_new():
    pytest.importorskip("torch")
    history = [Trial(code=code, value=worth(code)) for code in ("0000", "1000", "2222", "0010")]
    codes = OptunaSampler(problem(), "gp").propose(history, 2)
    assert not {trial.code for trial in history} & set(codes)


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_the_study_holds_the_whole_history_of_a_resumed_search(name):
    history = [Trial(code=code, value=worth(code)) for code in ("0000", "1000", "2222")]
    history += [Trial(code="1111", failed=True), Trial(code="2000")]
    sampler = OptunaSampler(problem(), name)
    sampler.propose(history, 1)
    sampler.propose(history, 1)
    states = [trial.state.name for trial in sampler._study.trials[:5]]
    assert states == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "RUNNING"]
    assert [trial.values[0] for trial in sampler._study.trials[:3]] == [t.value for t in history[:3]]


def test_a_value_reaches_the_trial_that_was_asked_for():
    sampler = OptunaSampler(problem(), "tpe")
    codes = sampler.propose([], 2)
    sampler.propose([Trial(code=codes[0]), Trial(code=codes[1], value=0.7)], 1)
    assert [trial.state.name for trial in sampler._study.trials[:2]] == ["RUNNING", "COMPLETE"]
    assert sampler._study.trials[1].value == 0.7
