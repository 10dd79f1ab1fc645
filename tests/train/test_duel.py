"""Two ways of training get the same time; which one wins is not judged here."""

import json

import pytest

pytest.importorskip("torch")

from xopt.datasets import open_source, phantoms
from xopt.runtime.errors import UsageError
from xopt.runtime.preprocessing import Preprocessing
from xopt.train import duel, reference_loop
from xopt.train.recipe import load_recipe

TINY = ["architecture=macro-00000000", "size=36", "crop=32", "batch_size=8", "sizes=[]", "epochs=500"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duel") / "phantoms"
    phantoms.write(folder, count=40, seed=1, size=40)
    return folder


@pytest.fixture
def small_reference(monkeypatch):
    monkeypatch.setattr(reference_loop, "PREPROCESSING", Preprocessing(size=36, crop=32))


def test_both_train_until_their_time_is_up(source, small_reference, capsys):
    duel.main(data=source, recipe="chexnet-fast", settings=TINY, minutes=0.04, clock="cpu", as_json=True)
    facts = json.loads(capsys.readouterr().out)
    reference, ours = facts["reference"], facts["recipe"]
    assert reference["seconds"] >= 2.4
    assert 0 < ours["seconds"] <= 2.4
    assert reference["crops"] % 40 == 0
    assert ours["crops"] % 24 == 0, "whole epochs of three batches of eight"
    assert facts["ahead"] == pytest.approx(ours["val_auc"] - reference["val_auc"])
    assert facts["ahead_ci"][0] < facts["ahead_ci"][1]


def test_a_recipe_without_an_epoch_in_time_is_refused(source, small_reference):
    recipe = load_recipe("chexnet-fast", TINY)
    with pytest.raises(UsageError, match=r"no epoch of the recipe ended within 1e-06 s"):
        duel.duel(open_source(source), recipe, seconds=1e-6)


def test_the_reference_sees_every_image_of_an_epoch_once():
    rows = reference_loop._rows(10)
    seen = [row for _ in range(5) for row in next(rows)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
