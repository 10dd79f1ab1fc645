import math

import numpy as np
import pytest

from xopt.nas.problem import Problem
from xopt.nas.search.candidates import Candidate, State
from xopt.nas.search.engine import Watcher, history_of
from xopt.nas.search.settings import Budget
from xopt.runtime.errors import DataError, XoptError

SERIAL_HOURS = 190.2
CANDIDATES = 40


def hours_like_reference(seed, codes):
    """Hours of each candidate: log-normal, and all of them together as long as the reference's search."""
    # Two log-normal devices that wait for each other are 2 / (1 + erf(sigma / 2)) as fast as one, so that
    # 0.6 is the spread behind the reference's 1.50.
    hours = np.random.default_rng(seed).lognormal(0.0, 0.6, CANDIDATES)
    return dict(zip(codes, hours * SERIAL_HOURS / hours.sum(), strict=False))


def virtual(searching, folder, hours, **changes):
    pool = searching.VirtualPool(hours, **changes.pop("pool", {}))
    folder.mkdir(exist_ok=True)
    return searching.make_engine(folder, None, pool=pool, clock=lambda: pool.now_s, **changes)


def test_two_devices_without_a_barrier_are_nearly_twice_as_fast_as_one(searching, tmp_path, monkeypatch):
    # A disk takes its time for each of the two thousand rows.
    monkeypatch.setattr("os.fsync", lambda handle: None)
    codes = searching.InOrder().codes
    speedups = {False: [], True: []}
    for seed in range(2):
        hours = hours_like_reference(seed, codes)
        for barrier, found in speedups.items():
            engine = virtual(
                searching,
                tmp_path / f"{seed}-{barrier}",
                hours,
                pool={"barrier": barrier},
                budget=Budget(candidates=CANDIDATES),
            )
            engine.run()
            assert len(engine.store.candidates()) == CANDIDATES
            found.append(SERIAL_HOURS / engine.hours)
    assert np.mean(speedups[False]) >= 1.9
    assert 1.4 < np.mean(speedups[True]) < 1.65
    assert math.isclose(2 / (1 + math.erf(0.3)), 1.50, abs_tol=0.01)


def test_running_candidates_are_told_as_taken(searching, tmp_path):
    proposer = searching.InOrder()
    engine = virtual(searching, tmp_path, dict.fromkeys(proposer.codes, 1.0), proposer=proposer)
    engine.run()
    open_ones = [[trial.code for trial in told if trial.value is None] for told in proposer.told]
    assert open_ones[0] == []
    assert all(len(codes) == 1 for codes in open_ones[1:])
    assert len({row.code for row in engine.store.candidates()}) == 6


def test_costs_and_predicted_latency_are_kept_beside_a_candidate(searching, tmp_path):
    engine = virtual(
        searching, tmp_path, {"00000": 1.0}, budget=Budget(candidates=1), latency_ms=lambda c: 2.5
    )
    engine.run()
    (row,) = engine.store.candidates()
    assert (row.parameters, row.macs, row.memory_mb, row.latency_ms) == (1000, 10_000, 0.004, 2.5)
    assert (row.state, row.value, row.curve) == (State.DONE, 0.0, (0.1,))


@pytest.mark.parametrize(
    ("budget", "asked", "why"),
    [
        (Budget(candidates=5), 5, "the budget of 5 candidates is spent"),
        (Budget(candidates=50, hours=3.5), 8, "the budget of 3.5 hours is spent"),
        (Budget(candidates=50, patience=4), 10, "the last 4 candidates brought nothing better"),
    ],
)
def test_a_search_ends_when_it_has_had_enough(searching, tmp_path, budget, asked, why):
    codes = ["00000", "00001", "00002", "00012", "00022", *(["00100", "01000", "10000"]), "00010", "00020"]
    codes += [code for code in searching.InOrder().codes if code not in codes and searching.worth(code) < 0.4]
    engine = virtual(
        searching, tmp_path, dict.fromkeys(codes, 1.0), proposer=searching.InOrder(codes), budget=budget
    )
    assert engine.run() == why
    assert len(engine.store.candidates()) == asked


def test_hours_are_counted_over_all_runs(searching, tmp_path):
    hours = dict.fromkeys(searching.InOrder().codes, 1.0)
    first = virtual(searching, tmp_path, hours, budget=Budget(candidates=4))
    first.run()
    second = virtual(searching, tmp_path, hours, budget=Budget(candidates=99, hours=3.0))
    second.run()
    assert (first.hours, second.hours) == (2.0, 3.0)


def test_a_space_without_more_networks_ends_the_search(searching, tmp_path):
    proposer = searching.InOrder(["00000", "00001", "00002"])
    engine = virtual(searching, tmp_path, dict.fromkeys(proposer.codes, 1.0), proposer=proposer)
    assert engine.run() == "the space has no more networks within the limits"
    assert len(engine.store.candidates()) == 3


def test_what_is_not_allowed_or_taken_is_not_trained_whoever_proposes_it(searching, tmp_path):
    class Stubborn:
        def propose(self, history, k):
            return ["00000", "22222", "00000"] if not history else ["00000", "22222"]

    problem = Problem(space=searching.Digits(), allowed=lambda code: code != "22222")
    engine = virtual(searching, tmp_path, {"00000": 1.0}, proposer=Stubborn(), problem=problem)
    with pytest.raises(XoptError, match="which are taken or not allowed"):
        engine.run()
    assert [row.code for row in engine.store.candidates()] == ["00000"]


def test_outcomes_in_a_shared_folder_are_not_trained_again(searching, tmp_path):
    shared = tmp_path / "shared"
    first = searching.make_engine(tmp_path, searching.Formula(tmp_path / "log"), shared=shared)
    first.run()
    other = tmp_path / "other"
    other.mkdir()
    # No hours are known: a candidate that reached this pool would be an error.
    second = virtual(searching, other, {}, shared=shared)
    second.run()
    assert all(row.cached for row in second.store.candidates())
    assert [r.value for r in second.store.candidates()] == [r.value for r in first.store.candidates()]


def test_a_network_that_fails_does_not_end_the_search(searching, tmp_path):
    objective = searching.Formula(tmp_path / "log", ends="00001=raise")
    told = []
    watcher = Watcher(ended=lambda row, rows: told.append((row.code, row.state)))
    engine = searching.make_engine(tmp_path, objective, budget=Budget(candidates=4), watcher=watcher)
    engine.run()
    rows = {row.code: row for row in engine.store.candidates()}
    assert [row.state for row in rows.values()].count(State.DONE) == 3
    assert rows["00001"].reason.endswith("RuntimeError: nothing to learn here")
    assert ("00001", State.FAILED) in told
    assert len(told) == 4


def test_a_search_in_which_everything_fails_is_given_up(searching, tmp_path):
    ends = ",".join(f"{code}=raise" for code in searching.InOrder().codes)
    engine = searching.make_engine(tmp_path, searching.Formula(tmp_path / "log", ends=ends), workers=1)
    with pytest.raises(XoptError, match=r"all of the first 3 candidates failed.*nothing to learn"):
        engine.run()


def test_data_that_cannot_be_read_is_nobody_s_failure(searching, tmp_path):
    objective = searching.Formula(tmp_path / "log", ends="00000=data")
    engine = searching.make_engine(tmp_path, objective, workers=1)
    with pytest.raises(DataError, match="no data at x"):
        engine.run()
    assert [row.state for row in engine.store.candidates()] == [State.WAITING]


def test_one_that_was_ended_early_counts_with_what_it_would_have_come_to():
    def row(number, state, value, curve):
        return Candidate(
            number=number,
            code=str(number),
            state=state,
            parameters=1,
            macs=1,
            value=value,
            curve=curve,
        )

    rows = [
        row(1, State.DONE, 0.8, (0.5, 0.6, 0.8)),
        row(2, State.STOPPED, 0.4, (0.4,)),
        row(3, State.FAILED, None, ()),
        row(4, State.RUNNING, None, (0.7,)),
    ]
    told = history_of(rows)
    assert [trial.value for trial in told] == [0.8, pytest.approx(0.7), None, None]
    assert [trial.failed for trial in told] == [False, False, True, False]
