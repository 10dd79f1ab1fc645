"""Random draws and aging evolution."""

import pytest

from xopt.nas.problem import Trial
from xopt.nas.proposers.baselines import Evolution, EvolutionSettings
from xopt.runtime.errors import UsageError

from .proposer_contract import SPACE, FromHistoryAlone, problem, worth


class TestRandom(FromHistoryAlone):
    name = "random"


class TestEvolution(FromHistoryAlone):
    name = "evolution"


def test_offspring_differs_from_the_best_of_the_youngest_in_one_digit():
    old = [Trial(code="2222", value=0.99)]
    young = [Trial(code=code, value=worth(code)) for code in ("0000", "1000", "2000", "0010", "1111")]
    evolution = Evolution(problem(), EvolutionSettings(population=5, sample=5))
    (code,) = evolution.propose([*old, *young], 1)
    assert code in {SPACE.canonical(c) for c in evolution.candidates.neighbours("1111")}


def test_a_sample_larger_than_the_population_is_refused():
    with pytest.raises(UsageError, match="1 to 3 of its population, got 4"):
        EvolutionSettings(population=3, sample=4)
