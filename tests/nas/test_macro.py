"""The macro space: canonical codes, costs in closed form, features, architecture names."""

import json
from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from xopt.models.macro import Skeleton, parse
from xopt.nas import MacroSpace
from xopt.runtime.errors import UsageError

SPACE = MacroSpace()
TEN = MacroSpace(classes=10)
CODES = ["".join(digits) for digits in product("012", repeat=8)]


@pytest.fixture(scope="module")
def table(shared):
    return json.loads((shared / "data" / "nas-bench-macro_cifar10.json").read_text())


def test_the_codes_are_6561_and_the_networks_3969():
    assert len(CODES) == 6561
    assert len({SPACE.canonical(code) for code in CODES}) == 3969


def test_a_canonical_code_is_its_own_canonical_code():
    assert all(SPACE.canonical(own) == own for own in map(SPACE.canonical, CODES))


def test_all_codes_of_a_network_cost_the_same_and_have_the_same_features():
    networks = defaultdict(list)
    for code in CODES:
        networks[SPACE.canonical(code)].append(code)
    for codes in networks.values():
        assert len({SPACE.cost(code) for code in codes}) == 1
        assert len(np.unique(SPACE.features(codes), axis=0)) == 1
        assert len({SPACE.architecture(code) for code in codes}) == 1
    assert len(np.unique(SPACE.features(CODES), axis=0)) == len(networks)


@pytest.mark.shared
def test_all_counts_of_the_published_table_are_met(table):
    head_difference = 5 * (1280 + 1)
    assert set(table) == set(CODES)
    for code, record in table.items():
        assert SPACE.cost(code).parameters == record["params"] - head_difference
        assert TEN.cost(code).parameters == record["params"]
        assert TEN.cost(code).macs == record["flops"]


@pytest.mark.shared
def test_codes_of_one_network_share_their_runs_in_the_published_table(table):
    networks = defaultdict(set)
    for code, record in table.items():
        networks[SPACE.canonical(code)].add(tuple(record["test_acc"]))
    assert {len(runs) for runs in networks.values()} == {1}


def test_a_feature_says_that_a_block_is_at_least_so_much():
    features = SPACE.features(["12000000", "00102000"])
    assert features.shape == (2, 16)
    assert features[0].tolist() == [1, 0, 1, 1] + [0] * 12
    # The canonical code is 00120000.
    assert features[1].tolist() == [0, 0, 0, 0, 1, 0, 1, 1] + [0] * 8


def test_a_space_of_another_skeleton_names_its_networks_by_it():
    space = MacroSpace(
        skeleton=Skeleton(stem=16, depths=(1, 2), widths=(24, 48)), classes=2, channels=1, size=28
    )
    assert space.choices == (3, 3, 3)
    assert space.architecture("102") == "macro-102-stem16-depths1.2-widths24.48"
    assert parse(space.architecture("102")) == (space.skeleton, "102")
    assert space.cost("102").parameters < SPACE.cost("10200000").parameters
    assert space.input_size("102") == 28


def test_memory_is_four_bytes_a_parameter():
    assert SPACE.cost("12122122").memory_mb == pytest.approx(2_702_405 * 4 / 1e6)


@pytest.mark.parametrize("code", ["", "1212212", "121221222", "12122123", "1212212x", "١2122122"])
def test_what_is_no_code_is_refused(code):
    for ask in (
        SPACE.canonical,
        SPACE.cost,
        SPACE.architecture,
        SPACE.input_size,
        lambda c: SPACE.features([c]),
    ):
        with pytest.raises(UsageError, match="8 digits of 0, 1 or 2, such as 12122122"):
            ask(code)


@pytest.mark.parametrize("odd", [{"classes": 0}, {"size": 0}, {"channels": 2}])
def test_a_space_that_no_network_can_have_is_refused(odd):
    with pytest.raises(UsageError, match="got"):
        MacroSpace(**odd)
