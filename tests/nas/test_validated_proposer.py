"""Whatever a proposer returns, what is trained is canonical, allowed, distinct and new."""

import pytest

from xopt.nas import MacroSpace
from xopt.nas.problem import Problem, Trial
from xopt.nas.validated_proposer import PROPOSERS, ValidatedProposer, make_proposer
from xopt.runtime.errors import UsageError

SPACE = MacroSpace()
LIMIT = SPACE.cost("12122122").parameters
PROBLEM = Problem(space=SPACE, allowed=lambda code: SPACE.cost(code).parameters <= LIMIT)
HISTORY = [Trial(code="10000000", value=0.7), Trial(code="12100000"), Trial(code="20000000", failed=True)]


class Stubborn:
    """Always the same answer."""

    def __init__(self, *codes):
        self.codes = list(codes)

    def propose(self, history, k):
        return self.codes


ANSWERS = [
    [],
    ["12122122"] * 5,
    ["10000000", "20000000", "12100000"],
    ["22222222", "22222221"],
    ["12010000", "12100000", "12001000"],
    ["", "1", "1212212x", "9" * 8, None, 7, "__import__('os')", "1" * 10**6],
    ["00000001", "00000010", "00000100", "12122122", "11111111", "00000200"],
]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("k", [1, 4])
def test_what_comes_out_may_be_trained(answer, k):
    codes = ValidatedProposer(PROBLEM, Stubborn(*answer)).propose(HISTORY, k)
    assert len(codes) == len(set(codes)) == k
    assert codes == [SPACE.canonical(code) for code in codes]
    assert all(SPACE.cost(code).parameters <= LIMIT for code in codes)
    assert not {SPACE.canonical(trial.code) for trial in HISTORY} & set(codes)


def test_good_answers_keep_their_order():
    guarded = ValidatedProposer(PROBLEM, Stubborn("00000001", "12122122", "00001001", "11111111"))
    assert guarded.propose(HISTORY, 3) == ["00000010", "12122122", "00010010"]


def test_what_became_of_the_answers_is_counted():
    guarded = ValidatedProposer(
        PROBLEM, Stubborn("11111111", "x", "22222222", "10000000", "11111111"), fallback=Stubborn()
    )
    guarded.propose(HISTORY, 3)
    asked = guarded.counts
    assert (asked.taken, asked.invalid, asked.infeasible, asked.repeated, asked.filled) == (1, 1, 1, 2, 2)


def test_the_fallback_fills_up_before_chance_does():
    fallback = Stubborn("12000000", "11111111", "00000000")
    codes = ValidatedProposer(PROBLEM, Stubborn("11111111"), fallback=fallback).propose(HISTORY, 3)
    assert codes == ["11111111", "12000000", "00000000"]


def test_the_fallback_is_told_what_is_already_chosen():
    seen = []

    class Watching:
        def propose(self, history, k):
            seen.append(([trial.code for trial in history], k))
            return []

    ValidatedProposer(PROBLEM, Stubborn("11111111"), fallback=Watching()).propose(HISTORY, 2)
    assert seen == [([trial.code for trial in HISTORY] + ["11111111"], 1)]


def test_an_unknown_proposer_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=f"unknown proposer 'gpt'; known are {', '.join(PROPOSERS)}"):
        make_proposer("gpt", PROBLEM)
