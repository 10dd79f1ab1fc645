"""Tabular benchmarks: what a file may hold, and which of its strings are one network."""

import json

import numpy as np
import pytest

from xopt.nas import MacroSpace
from xopt.nas.tabular_benchmarks import Record, Table, load_table
from xopt.runtime.errors import DataError, UsageError


def written(tmp_path, facts):
    path = tmp_path / "made.json"
    path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    return path


@pytest.mark.parametrize("key", ["mean_acc", "mean", "acc"])
def test_an_accuracy_may_stand_under_three_names(tmp_path, key):
    table = load_table(written(tmp_path, {"00": {key: 0.5}, "12": {key: 0.75}}))
    assert table.choices == (2, 3)
    assert table.ceiling == 1
    assert table.records["12"] == Record(mean=0.75, runs=(), parameters=None, macs=None)
    assert not table.noisy
    assert table.name == "made"


def test_accuracies_beyond_one_are_percent():
    assert made({"0": 45.0, "1": 90.0}).ceiling == 100


def made(means, **sizes):
    return Table(
        "made",
        {
            code: Record(
                mean=mean, runs=(mean, mean), parameters=sizes.get(f"p{code}"), macs=sizes.get(f"m{code}")
            )
            for code, mean in means.items()
        },
    )


def test_a_rank_is_one_more_than_the_strings_that_are_better():
    table = made({"0": 10.0, "1": 30.0, "2": 30.0, "3": 50.0})
    assert [table.rank(value) for value in (50.0, 30.0, 10.0, 60.0, 20.0)] == [1, 2, 4, 1, 4]


@pytest.mark.shared
def test_the_published_tables_networks_are_those_of_the_macro_space(shared):
    table, space = load_table(shared / "data" / "nas-bench-macro_cifar10.json"), MacroSpace()
    assert table.choices == space.choices
    assert table.networks == 3969
    codes = list(table.records)
    assert [table.canonical(code) for code in codes] == [space.canonical(code) for code in codes]
    assert np.array_equal(table.features(codes[:50]), space.features(codes[:50]))
    assert table.noisy


SAME = {"p01": 5, "p10": 5, "m01": 9, "m10": 9, "p00": 3, "m00": 3, "p11": 8, "m11": 12}
MEANS = {"00": 10.0, "01": 20.0, "10": 20.0, "11": 30.0}


@pytest.mark.parametrize(
    ("means", "sizes", "networks"),
    [
        (MEANS, SAME, 3),
        (MEANS, {}, 4),
        (MEANS, SAME | {"p10": 6}, 4),
        (MEANS, SAME | {"m10": 10}, 4),
        (MEANS | {"10": 20.5}, SAME, 4),
        ({"02": 20.0, "10": 20.0}, {"p02": 5, "m02": 9, "p10": 5, "m10": 9}, 2),
    ],
)
def test_strings_are_one_network_only_where_all_figures_agree(means, sizes, networks):
    table = made(means, **sizes)
    assert table.networks == networks
    assert table.canonical("10") == "10"
    if networks == 3:
        assert table.canonical("01") == "10"


def test_a_string_that_the_table_does_not_hold_is_a_code_without_a_record():
    table = made({"00": 1.0, "11": 2.0})
    assert table.canonical("01") == "01"
    assert not table.holds("01")
    with pytest.raises(UsageError, match="no record of '01'"):
        table.cost("01")


@pytest.mark.parametrize("code", ["", "0", "000", "02", "0x", "٠1", None, ["0", "0"]])
def test_what_is_no_code_of_the_table_is_refused(code):
    with pytest.raises(UsageError, match="2 digits, each below 2, 2"):
        made({"00": 1.0, "11": 2.0}).canonical(code)


def test_a_tables_networks_are_not_built():
    for ask in (made({"0": 1.0}).architecture, made({"0": 1.0}).input_size):
        with pytest.raises(UsageError, match="holds the results of 0, not"):
            ask("0")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("{", "no readable JSON"),
        ("[" * 100_000, "no readable JSON"),
        ([1], "must be a JSON object"),
        ({}, "got none"),
        ({"0": 0.5}, "a record must be an object"),
        ({"0": {"loss": 0.5}}, "needs an accuracy under mean_acc, mean, acc"),
        ({"0": {"acc": "0.5"}}, "must be finite numbers"),
        ({"0": {"acc": True}}, "must be finite numbers"),
        ('{"0": {"acc": NaN}}', "must be finite numbers"),
        ({"0": {"acc": 0.5, "test_acc": [0.5, None]}}, "must be finite numbers"),
        ({"0": {"acc": 0.5, "params": "many"}}, "params must be whole numbers"),
        ({"0": {"acc": 0.5}, "00": {"acc": 0.5}}, "all equally long"),
        ({"ab": {"acc": 0.5}}, "strings of up to 64 digits"),
        ({"²": {"acc": 0.5}}, "strings of up to 64 digits"),
        ({"1" * 65: {"acc": 0.5}}, "strings of up to 64 digits"),
        ({"0": {"acc": -0.5}}, "0..1 or 0..100"),
        ({"0": {"acc": 101}}, "0..1 or 0..100"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, facts, reason):
    with pytest.raises(DataError, match=reason):
        load_table(written(tmp_path, facts))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read table .*absent\.json"):
        load_table(tmp_path / "absent.json")
