"""Which candidates of a model are trained in place of the surrogate's own."""

from collections.abc import Sequence

import numpy as np
import pytest

from xopt.nas import Trial
from xopt.nas.candidate_set import CandidateSet
from xopt.nas.llm.memory import Pick
from xopt.nas.llm.ranking import bonus, choose
from xopt.nas.proposers.surrogate import Surrogate, SurrogateSettings

from .small_space import problem, trials


class Table:
    """A surrogate whose beliefs are written down: code -> (mean, spread)."""

    def __init__(self, own: Sequence[str], **beliefs: tuple[float, float]) -> None:
        self._own = own
        self._beliefs = {code[1:]: belief for code, belief in beliefs.items()}

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        taken = {trial.code for trial in history}
        return [code for code in self._own if code not in taken][:k]

    def expect(self, history, codes, *, place=0):
        means, spreads = zip(*(self._beliefs[code] for code in codes), strict=True)
        return np.array(means), np.array(spreads), 0.1


def _picked(
    codes: Sequence[str], *, by_model: bool, mean: float = 0.0, spread: float = 0.1
) -> dict[str, Pick]:
    return {c: Pick(code=c, by_model=by_model, mean=mean, spread=spread) for c in codes}


def _choose(table, history, k, *, offers, picks):
    return choose(
        table, history, k, offers=offers, picks=picks, targets={trial.code: trial.value for trial in history}
    )


def _codes(picks: Sequence[Pick]) -> list[tuple[str, bool]]:
    return [(pick.code, pick.by_model) for pick in picks]


TABLE = Table(["1", "2"], n1=(1.0, 0.2), n2=(0.9, 0.2), nnear=(0.9, 0.2), nfar=(0.2, 0.2))
ONE_OF_OURS = _picked(["7"], by_model=False)


def test_the_first_network_is_the_surrogates():
    assert _codes(_choose(TABLE, [], 1, offers=["near"], picks={})) == [("1", False)]


def test_a_candidate_within_the_bonus_is_taken():
    assert _codes(_choose(TABLE, [], 1, offers=["near"], picks=ONE_OF_OURS)) == [("near", True)]


def test_a_candidate_beyond_the_bonus_is_passed_over():
    assert _codes(_choose(TABLE, [], 1, offers=["far"], picks=ONE_OF_OURS)) == [("1", False)]


def test_the_better_of_two_candidates_is_taken():
    assert _codes(_choose(TABLE, [], 1, offers=["far", "near"], picks=ONE_OF_OURS)) == [("near", True)]


def test_at_most_every_second_network_is_the_models():
    table = Table(
        list("123456"),
        **{f"n{i}": (1.0, 0.2) for i in range(10, 20)},
        **{f"n{i}": (1.0, 0.2) for i in range(1, 7)},
    )
    picks = _choose(table, [], 6, offers=[str(i) for i in range(10, 20)], picks={})
    assert [pick.by_model for pick in picks] == [False, True] * 3


def test_what_both_name_is_the_surrogates():
    assert _codes(_choose(TABLE, [], 1, offers=["1"], picks=ONE_OF_OURS)) == [("1", False)]


def test_where_the_surrogate_has_no_more_the_models_candidates_come():
    table = Table([], nfar=(0.2, 0.2), nnear=(0.9, 0.2))
    assert _codes(_choose(table, [], 3, offers=["far", "near"], picks={})) == [("near", True), ("far", True)]


def test_a_model_that_keeps_disappointing_is_no_longer_followed():
    before = _picked(list("abcde"), by_model=False) | _picked(["4", "5", "6"], by_model=True, mean=0.9)
    history = [Trial(code=code, value=0.3) for code in before]
    assert _codes(_choose(TABLE, history, 1, offers=["near"], picks=before)) == [("1", False)]


def test_a_model_that_keeps_surprising_is_followed_further():
    before = _picked(list("abcde"), by_model=False) | _picked(["4", "5", "6"], by_model=True, mean=0.1)
    history = [Trial(code=code, value=1.1) for code in before]
    assert _codes(_choose(TABLE, history, 1, offers=["far"], picks=before)) == [("far", True)]


def test_without_results_the_bonus_is_its_prior():
    worth = bonus(_picked("12", by_model=True), {}, prior=0.3)
    assert (worth.mean, worth.spread) == pytest.approx((0.0, 0.3))


def test_the_bonus_is_the_posterior_of_a_normal_mean():
    picks = _picked("12", by_model=True, mean=1.0, spread=0.5) | _picked("3", by_model=False)
    worth = bonus(picks, {"1": 1.5, "2": 1.7, "3": 99.0}, prior=0.5)
    assert worth.mean == pytest.approx((0.5 + 0.7) / 3)
    assert worth.spread == pytest.approx(0.5 / 3**0.5)


def test_the_bonus_of_a_model_that_adds_nothing_shrinks():
    spreads = []
    for count in (1, 4, 16):
        codes = [str(i) for i in range(count)]
        worth = bonus(_picked(codes, by_model=True, spread=0.2), dict.fromkeys(codes, 0.0), prior=0.2)
        assert worth.mean == 0
        spreads.append(worth.spread)
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[2] < 0.06


@pytest.mark.parametrize("known", [4, 5])
def test_the_surrogate_chooses_what_it_expects_most_of(known):
    searched = problem()
    surrogate = Surrogate(searched, SurrogateSettings(exploration=0))
    history = trials(*["12100", "11000", "22000", "10100", "10000"][:known])
    taken = {trial.code for trial in history}
    codes = [code for code in CandidateSet(searched).all_networks()[0] if code not in taken]
    mean_N, spread_N, noise = surrogate.expect(history, codes)
    chosen = surrogate.propose(history, 1)[0]
    assert mean_N[codes.index(chosen)] == pytest.approx(mean_N.max(), abs=1e-9)
    assert mean_N.shape == spread_N.shape == (len(codes),)
    assert (spread_N > 0).all()
    assert noise > 0
