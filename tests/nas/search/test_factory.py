from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Dataset, Split
from xopt.nas.problem import Problem, Trial
from xopt.nas.search.factory import LLM, check_names, make_proposer, make_space
from xopt.nas.search.settings import Budget, SearchSettings
from xopt.nas.validated_proposer import PROPOSERS
from xopt.runtime.errors import UsageError
from xopt.train.recipe import load_recipe

SETTINGS = SearchSettings(data=Path("x"), recipe=load_recipe("search-small"), budget=Budget(candidates=9))


def dataset_of(classes):
    split = Split(
        name="train",
        images=("a",),
        labels_NC=np.zeros((1, len(classes)), np.uint8),
        patients=("a",),
        folders=(),
    )
    return Dataset(name="x", root=Path("x"), classes=classes, splits={"train": split})


def test_a_space_has_the_data_s_classes_and_the_recipe_s_input():
    macro = make_space(SETTINGS, dataset_of(("a", "b")))
    assert (macro.classes, macro.channels, macro.size) == (2, 1, 32)
    xray = make_space(replace(SETTINGS, space="xray"), dataset_of(("a",)))
    assert xray.input_size("0" * 17) == 160


@pytest.mark.parametrize("name", [name for name in PROPOSERS if name != "gp"])
def test_every_proposer_by_name_asks_for_new_networks(tmp_path, name):
    space = make_space(SETTINGS, dataset_of(("a",)))
    problem = Problem(space=space, allowed=lambda code: True)
    proposer = make_proposer(replace(SETTINGS, proposer=name), problem, tmp_path)
    history = [Trial(code="22222222", value=0.9), Trial(code="12122122")]
    codes = proposer.propose(history, 3)
    assert len(set(codes) - {"22222222", "12122122"}) == 3


def test_the_belief_in_larger_networks_can_be_switched_off(tmp_path):
    problem = Problem(space=make_space(SETTINGS, dataset_of(("a",))), allowed=lambda code: True)
    believing = make_proposer(SETTINGS, problem, tmp_path).propose([], 1)
    doubting = make_proposer(replace(SETTINGS, upgrades_help=False), problem, tmp_path).propose([], 1)
    assert believing == ["22222222"]
    assert doubting != believing


@pytest.mark.slow
def test_a_language_model_that_is_not_there_leaves_the_search_to_the_surrogate(tmp_path):
    settings = replace(SETTINGS, proposer=LLM, llm_url="http://127.0.0.1:9/v1", llm_model="none")
    problem = Problem(space=make_space(settings, dataset_of(("a",))), allowed=lambda code: True)
    assert len(make_proposer(settings, problem, tmp_path).propose([], 2)) == 2
    assert (tmp_path / "llm.jsonl").is_file()


def test_a_language_model_needs_an_address(tmp_path):
    problem = Problem(space=make_space(SETTINGS, dataset_of(("a",))), allowed=lambda code: True)
    with pytest.raises(UsageError, match="--llm-url"):
        make_proposer(replace(SETTINGS, proposer=LLM), problem, tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [({"space": "micro"}, "unknown space 'micro'"), ({"proposer": "grid"}, "unknown proposer 'grid'")],
)
def test_names_are_checked_before_any_work(names, said):
    with pytest.raises(UsageError, match=said):
        check_names(replace(SETTINGS, **names))
