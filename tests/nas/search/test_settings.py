import json
from dataclasses import replace
from pathlib import Path

import pytest

from xopt.nas.macro import MacroSpace
from xopt.nas.search.settings import Budget, SearchSettings, check_same, read_settings
from xopt.nas.space import Limits
from xopt.runtime.errors import DataError, UsageError
from xopt.train.recipe import load_recipe

RECIPE = load_recipe("search-small")


@pytest.fixture
def settings(tmp_path):
    return SearchSettings(
        data=tmp_path / "x.npz",
        recipe=RECIPE,
        budget=Budget(candidates=7, hours=2.0, patience=3),
        limits=Limits(macs=5_000_000),
        halving=True,
        storage="postgresql://me:secret@host/name",
        study="mine",
        cache=tmp_path / "cache",
    )


def test_a_folder_gives_back_what_was_asked_for(settings, tmp_path):
    settings.write(tmp_path, owner="id1", storage="postgresql://me:***@host/name", context="c")
    read, others = read_settings(tmp_path)
    assert read == replace(settings, storage="postgresql://me:***@host/name")
    assert others == {"format": 1, "id": "id1", "context": "c"}
    assert "secret" not in (tmp_path / "search.json").read_text()
    assert "architecture" in (tmp_path / "recipe.toml").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": load_recipe("search-small", ["epochs=9"])}, "another recipe"),
        ({"limits": Limits()}, "another limits"),
        ({"space": "xray", "train_images": 5}, "another space and another train_images"),
        ({"max_latency_ms": 2.0}, "another max_latency_ms"),
        ({"data": Path("elsewhere.npz")}, "another data"),
    ],
)
def test_what_a_value_depends_on_cannot_change_in_a_resumed_search(settings, change, said):
    with pytest.raises(UsageError, match=said):
        check_same(settings, replace(settings, **change))


def test_how_a_search_is_done_may_change_when_it_is_resumed(settings):
    now = replace(settings, budget=Budget(candidates=99), workers=8, proposer="tpe", halving=False)
    assert check_same(settings, now) == now


@pytest.mark.parametrize("damage", ["", "[]", '{"format": 2}', '{"format": 1, "id": "x", "context": "c"}'])
def test_a_damaged_folder_is_told_in_one_line(settings, tmp_path, damage):
    settings.write(tmp_path, owner="id1", storage="x", context="c")
    (tmp_path / "search.json").write_text(damage)
    with pytest.raises(DataError) as raised:
        read_settings(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"budget": Budget(candidates=1)}, True),
        ({"recipe": replace(RECIPE, architecture="resnet18")}, True),
        ({"recipe": replace(RECIPE, epochs=1)}, False),
        ({"recipe": replace(RECIPE, seed=1)}, False),
        ({"train_images": 100}, False),
    ],
)
def test_the_context_of_an_outcome_is_all_that_it_depends_on(settings, other, same):
    space = MacroSpace(classes=1, channels=1)
    assert (replace(settings, **other).context(space, "d") == settings.context(space, "d")) is same
    assert settings.context(space, "d") != settings.context(space, "other data")


@pytest.mark.parametrize(
    "wrong", [{"keep": 0}, {"workers": 0}, {"train_images": 0}, {"max_latency_ms": float("nan")}]
)
def test_settings_that_make_no_sense_are_refused(settings, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        replace(settings, **wrong)


def test_the_file_is_plain_json(settings, tmp_path):
    settings.write(tmp_path, owner="id1", storage="s", context="c")
    facts = json.loads((tmp_path / "search.json").read_text())
    assert facts["budget"] == {"candidates": 7, "hours": 2.0, "patience": 3}
    assert facts["limits"] == {"parameters": None, "macs": 5_000_000}
