from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import open_source
from xopt.nas.search.candidates import Assignment
from xopt.nas.search.halving import Curves, Halving
from xopt.nas.search.settings import digest_data
from xopt.nas.search.training import Training, recipe_for
from xopt.runtime.errors import DataError
from xopt.train.recipe import load_recipe

JOB = Assignment(number=1, code="10000000", architecture="macro-10000000", input_size=32)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Bright squares and dark ones."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    parts = {}
    for split, count in (("train", 48), ("val", 16)):
        labels = np.arange(count) % 2
        grey = random.integers(0, 100, (count, 36, 36)) + 100 * labels[:, None, None]
        parts |= {f"{split}_images": grey.astype(np.uint8), f"{split}_labels": labels[:, None]}
    np.savez(path, **parts)
    return path


@pytest.fixture
def training(images, tmp_path):
    recipe = load_recipe("search-small", ["epochs=3", "batch_size=16"])
    return Training(recipe=recipe, data=images, curves=Curves(folder=tmp_path / "c"), runs=tmp_path / "runs")


def changed(training, **changes):
    return replace(training, **changes)


def test_a_candidate_is_trained_on_its_own_network_and_keeps_its_checkpoint(training):
    outcome = training.open().evaluate(JOB)
    assert outcome.value == max(outcome.curve) > 0.9
    assert len(outcome.curve) == 3
    assert outcome.seconds > 0
    assert not outcome.stopped
    assert outcome.run == training.runs / JOB.code
    assert "macro-10000000" in (outcome.run / "checkpoint.json").read_text()
    assert training.curves.read(JOB.code) == outcome.curve


def test_where_the_last_epoch_is_kept_its_auc_counts(images, tmp_path):
    recipe = load_recipe("search-small", ["epochs=3", "batch_size=16", "keep=last"])
    training = Training(recipe=recipe, data=images, curves=Curves(folder=tmp_path / "c"), runs=tmp_path / "r")
    trainer = training.open()
    real = trainer._train

    def fall(recipe, run, report):
        trained = real(recipe, run, report)
        history = [
            replace(epoch, val_auc=auc) for epoch, auc in zip(trained.history, (0.6, 0.9, 0.7), strict=True)
        ]
        return replace(trained, history=tuple(history))

    object.__setattr__(trainer, "_train", fall)
    assert trainer.evaluate(JOB).value == 0.7


def test_a_candidate_that_lags_behind_is_ended_at_the_first_rung(training):
    for other in ("00000000", "00000001", "00000002"):
        training.curves.write(other, [1.5])
    outcome = changed(training, halving=Halving()).open().evaluate(JOB)
    assert outcome.stopped
    assert len(outcome.curve) == 1


def test_a_training_that_was_killed_goes_on_where_it_stood(training, monkeypatch):
    class Killed(BaseException):
        pass

    def write_and_die(self, code, curve):
        if len(curve) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Curves, "write", write_and_die)
        with pytest.raises(Killed):
            training.open().evaluate(JOB)
    lengths = []
    write = Curves.write
    monkeypatch.setattr(
        Curves, "write", lambda self, code, curve: (lengths.append(len(curve)), write(self, code, curve))
    )
    outcome = training.open().evaluate(JOB)
    # The second epoch's state was not saved when it was killed.
    assert lengths == [2, 3]
    assert len(outcome.curve) == 3


def test_what_another_training_left_in_its_place_is_replaced(training):
    place = training.runs / JOB.code
    place.mkdir(parents=True)
    (place / "run.json").write_text("torn")
    assert len(training.open().evaluate(JOB).curve) == 3


def test_fewer_images_are_spread_over_the_split(training):
    trainer = changed(training, train_images=10).open()
    assert len(trainer.dataset.split("train")) == 10
    assert len(trainer.dataset.split("val")) == 16


def test_without_both_labels_in_val_there_is_no_auc(training, images, tmp_path):
    arrays = dict(np.load(images))
    arrays["val_labels"][:] = 0
    path = tmp_path / "one.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="no class of the split val has both labels"):
        changed(training, data=path).open().evaluate(JOB)


@pytest.mark.parametrize(("size", "expected"), [(32, (36, 32)), (224, (252, 224)), (160, (180, 160))])
def test_the_margin_around_the_crop_follows_the_input_size(size, expected):
    assignment = Assignment(number=1, code="0", architecture="resnet18", input_size=size)
    recipe = recipe_for(load_recipe("search-small"), assignment)
    assert (recipe.size, recipe.crop) == expected
    assert recipe.architecture == "resnet18"


def test_other_pixels_or_labels_are_other_data(images, tmp_path):
    digest = digest_data(open_source(images))
    assert digest == digest_data(open_source(Path(images)))
    for key in ("train_images", "val_images", "train_labels"):
        arrays = dict(np.load(images))
        arrays[key] = 1 - arrays[key] if key.endswith("labels") else arrays[key] + 1
        path = tmp_path / "squares.npz"
        np.savez(path, **arrays)
        assert digest_data(open_source(path)) != digest
