"""Simulated searches: targets on the published table, and the same proposer on tables of other shapes."""

import json
from statistics import fmean, median

import pytest

from xopt.nas.simulation import Search, SimulationSettings, simulate
from xopt.nas.space import Limits
from xopt.nas.tabular_benchmarks import load_table
from xopt.runtime.errors import UsageError

from .made_tables import ALL, larger_is_worse, table

PUBLISHED = "nas-bench-macro_cifar10.json"
MADE = larger_is_worse()


@pytest.fixture(scope="module")
def published(shared):
    return load_table(shared / "data" / PUBLISHED)


def ranks_after(simulated, table, count):
    """Median rank of the best of each search's first networks."""
    return median(
        table.rank(max(table.records[code].mean for code in search.codes[:count]))
        for search in simulated.searches
    )


@pytest.mark.shared
@pytest.mark.slow
def test_the_default_proposer_meets_its_targets_on_the_published_table(published):
    simulated = simulate(published, SimulationSettings(budget=50, seeds=9))
    assert ranks_after(simulated, published, 10) <= 8
    assert ranks_after(simulated, published, 20) <= 4
    assert ranks_after(simulated, published, 50) <= 2
    facts = simulated.to_json()
    assert (facts["duplicates"], facts["infeasible"], facts["networks"]) == (0, 0, 3969)


@pytest.mark.shared
def test_noise_and_workers_cost_little_on_the_published_table(published):
    serial, noisy, parallel = (
        simulate(published, SimulationSettings(budget=20, seeds=7, noisy=noise, workers=workers)).to_json()
        for noise, workers in ((False, 1), (True, 1), (False, 4))
    )
    assert noisy["rank"]["median"] <= 30
    assert serial["best_mean"] - parallel["best_mean"] <= 0.05
    assert parallel["simulated_time"] < serial["simulated_time"] / 3


@pytest.mark.parametrize("make", ALL)
def test_the_same_proposer_beats_chance_and_evolution_on_tables_of_other_shapes(make):
    made = make()
    best = {}
    for proposer in ("surrogate", "random", "evolution"):
        found = simulate(made, SimulationSettings(proposer=proposer, budget=25, seeds=8))
        best[proposer] = fmean(search.best for search in found.searches)
    assert best["surrogate"] > best["random"] + 1
    assert best["surrogate"] > best["evolution"] + 1


def test_a_belief_in_size_costs_little_where_size_does_not_pay():
    ranks = [
        simulate(MADE, SimulationSettings(budget=20, seeds=6, upgrades_help=believe)).to_json()["rank"][
            "median"
        ]
        for believe in (True, False)
    ]
    assert max(ranks) <= 8


@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_trains_its_budget_once_each(workers):
    (search,) = simulate(MADE, SimulationSettings(budget=11, seeds=1, workers=workers)).searches
    assert len(set(search.codes)) == len(search.codes) == 11
    assert search.best == MADE.records[search.found].mean == max(MADE.records[c].mean for c in search.codes)
    assert search.rank == MADE.rank(search.best)


def test_two_workers_are_almost_twice_as_fast():
    one, two = (
        simulate(MADE, SimulationSettings(proposer="random", budget=40, seeds=5, workers=workers)).to_json()
        for workers in (1, 2)
    )
    assert one["busy"] == pytest.approx(1)
    assert one["simulated_time"] / two["simulated_time"] > 1.9


def test_a_noisy_search_is_judged_on_the_mean_of_what_it_would_return():
    noisy = simulate(MADE, SimulationSettings(proposer="random", budget=30, seeds=10, noisy=True))
    best = [max(MADE.records[code].mean for code in search.codes) for search in noisy.searches]
    got = [search.best for search in noisy.searches]
    assert all(mine <= most for mine, most in zip(got, best, strict=True))
    assert [search.best for search in noisy.searches] == [MADE.records[s.found].mean for s in noisy.searches]


def test_limits_are_kept_on_a_table():
    sized = table("sized", (3,) * 4, lambda code: code.sum(), sizes=lambda code: int(code.sum()))
    found = simulate(sized, SimulationSettings(budget=15, seeds=3, limits=Limits(parameters=5)))
    assert found.to_json()["infeasible"] == 0
    assert all(sum(map(int, search.found)) == 5 for search in found.searches)
    with pytest.raises(UsageError, match="no network of sized is within the limits"):
        simulate(sized, SimulationSettings(limits=Limits(parameters=-1)))


def test_a_budget_beyond_the_space_ends_with_the_space():
    small = table("small", (2, 3), lambda code: code.sum())
    (search,) = simulate(small, SimulationSettings(budget=50, seeds=1, workers=4)).searches
    assert sorted(search.codes) == sorted(small.records)


def test_processes_change_nothing(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(
        json.dumps(
            {f"{a}{b}{c}": {"acc": (a + b * c) / 9} for a in range(3) for b in range(3) for c in (0, 1)}
        )
    )
    settings = SimulationSettings(budget=6, seeds=9)
    assert simulate(path, settings, processes=2) == simulate(path, settings, processes=1)
    assert all(isinstance(search, Search) for search in simulate(path, settings, processes=1).searches)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"proposer": "gpt"}, "unknown proposer"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"durations": "long"}, "durations must be one of flops, lognormal"),
    ],
)
def test_settings_that_mean_nothing_are_refused(odd, reason):
    with pytest.raises(UsageError, match=reason):
        SimulationSettings(**odd)


def test_the_command_prints_what_the_design_promises(xopt, tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({f"{a}{b}": {"mean": (a + b) / 4} for a in range(3) for b in range(3)}))
    done = xopt(
        "nas", "simulate", path, "--proposer", "random", "--budget", 3, "--seeds", 2, "--workers", 2, "--json"
    )
    assert done.code == 0
    facts = json.loads(done.out)
    assert set(facts["rank"]) == {"median", "p10", "p90"}
    assert 0 < facts["best_mean"] <= 1
    assert (facts["duplicates"], facts["infeasible"]) == (0, 0)
    assert "9 strings, 9 networks" in xopt("nas", "simulate", path, "--seeds", 1, "--budget", 2).out
    noisy = xopt("nas", "simulate", path, "--noisy")
    assert (noisy.code, noisy.err.count("\n")) == (2, 1)
    assert "has no single runs (test_acc)" in noisy.err
