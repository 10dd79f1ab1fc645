"""What every proposer keeps, by itself or with the guard around it."""

import numpy as np

from xopt.models.macro import Skeleton
from xopt.nas import MacroSpace
from xopt.nas.problem import Problem, Trial
from xopt.nas.validated_proposer import make_proposer

SPACE = MacroSpace(skeleton=Skeleton(depths=(2, 2), widths=(16, 24)), classes=2)


def worth(code):
    """An AUC: the second stage matters more, and its last operation should be 1."""
    digits = [int(digit) for digit in SPACE.canonical(code)]
    return 0.6 + 0.03 * digits[0] + 0.02 * digits[1] + 0.05 * digits[2] + 0.03 * (digits[3] == 1)


def problem(seed=0, allowed=lambda _code: True):
    return Problem(space=SPACE, allowed=allowed, seed=seed)


def search(name, budget, *, k=1, seed=0, allowed=lambda _code: True):
    """The history of a search whose trainings take no time."""
    proposer, history = make_proposer(name, problem(seed, allowed)), []
    while len(history) < budget:
        codes = proposer.propose(history, min(k, budget - len(history)))
        if not codes:
            break
        history += [Trial(code=code, value=worth(code)) for code in codes]
    return history


class ProposerContract:
    """Inherit, and set `name`."""

    name: str

    def test_what_it_proposes_is_canonical_and_new(self):
        codes = [trial.code for trial in search(self.name, 14, k=2)]
        assert len(set(codes)) == 14
        assert codes == [SPACE.canonical(code) for code in codes]

    def test_running_and_failed_networks_count_as_taken(self):
        proposer, taken = make_proposer(self.name, problem()), []
        for turn in range(10):
            (code,) = proposer.propose(taken, 1)
            assert code not in {trial.code for trial in taken}
            taken.append(Trial(code=code, failed=turn % 2 == 0))

    def test_limits_are_kept(self):
        small = SPACE.cost("1110").parameters
        history = search(self.name, 8, allowed=lambda code: SPACE.cost(code).parameters <= small)
        assert len(history) == 8
        assert max(SPACE.cost(trial.code).parameters for trial in history) <= small

    def test_a_space_is_searched_to_its_end_and_not_beyond(self):
        few = {"0000", "1000", "2221", "1212"}
        history = search(self.name, 9, k=3, allowed=lambda code: code in few)
        assert {trial.code for trial in history} == few
        assert len(history) == 4
        assert make_proposer(self.name, problem(allowed=lambda _code: False)).propose([], 2) == []

    def test_values_that_say_nothing_do_no_harm(self):
        history = [
            Trial(code="0000", value=float("nan")),
            Trial(code="1000", value=1.0),
            Trial(code="2000", value=1.0),
            Trial(code="0100", value=-3.0),
            Trial(code="0101", failed=True),
        ]
        codes = make_proposer(self.name, problem()).propose(history, 3)
        assert len(codes) == 3
        assert not {SPACE.canonical(trial.code) for trial in history} & set(codes)

    def test_seeds_differ(self):
        runs = {tuple(trial.code for trial in search(self.name, 6, seed=seed)) for seed in range(4)}
        assert len(runs) > 1

    def test_the_best_is_found_in_time(self):
        best = np.mean([max(t.value for t in search(self.name, 30, seed=seed)) for seed in range(3)])
        assert best > 0.8


class FromHistoryAlone(ProposerContract):
    """Besides, the answer is a function of the history, so that a resumed search goes on as it would have."""

    def test_a_resumed_search_goes_on_alike(self):
        history = search(self.name, 6)
        one, other = make_proposer(self.name, problem()), make_proposer(self.name, problem())
        other.propose(history[:3], 1)
        assert one.propose(history, 2) == other.propose(history, 2)
