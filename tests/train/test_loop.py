import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xopt.datasets import Dataset, load_images, open_source, phantoms
from xopt.models import load_checkpoint
from xopt.runtime.errors import DataError, OutputError, UsageError, XoptError
from xopt.train import load_recipe
from xopt.train.inputs import normalise
from xopt.train.loop import train
from xopt.train.losses import Loss, Targets
from xopt.train.recipe import Recipe
from xopt.train.results import kept_epoch
from xopt.train.trainer import Trainer

# The smallest training that goes through everything.
TINY = Recipe(
    architecture="mobilenet_v3_small",
    epochs=2,
    learning_rate=1e-3,
    size=40,
    crop=32,
    batch_size=8,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms.write(folder, count=40, seed=1, size=48)
    return open_source(folder)


@pytest.fixture(scope="module")
def trained(dataset):
    return train(dataset, TINY)


def weights_of(network):
    return {key: tensor.numpy() for key, tensor in network.state_dict().items()}


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(dataset, trained):
    again = train(dataset, TINY)
    for key, weights in weights_of(trained.network).items():
        np.testing.assert_array_equal(weights, weights_of(again.network)[key], err_msg=key)
    assert [epoch.train_loss for epoch in again.history] == [epoch.train_loss for epoch in trained.history]


def test_another_seed_gives_other_weights(dataset, trained):
    other = weights_of(train(dataset, replace(TINY, seed=1, epochs=1)).network)
    assert any(
        not np.array_equal(weights, other[key]) for key, weights in weights_of(trained.network).items()
    )


def test_training_leaves_the_caller_s_random_numbers_alone(dataset):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(dataset, replace(TINY, epochs=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_every_epoch_is_reported_and_the_wanted_one_s_weights_are_kept(dataset, keep):
    reported = []
    recipe = replace(TINY, epochs=3, schedule="constant", keep=keep)
    result = train(dataset, recipe, report=reported.append)
    assert [epoch.epoch for epoch in reported] == [1, 2, 3]
    assert result.history == tuple(reported)
    wanted_auc = reported[-1].val_auc if keep == "last" else max(epoch.val_auc for epoch in reported)
    assert result.best.val_auc == wanted_auc
    assert not result.network.training
    val = dataset.split("val")
    images = torch.from_numpy(load_images(val, TINY.preprocessing()))[:, 4:36, 4:36]
    with torch.no_grad():
        logits = result.network(normalise(images, TINY.preprocessing()))
    loss = Loss(recipe, dataset.split("train").labels_NC)
    wanted = Targets(labels_BC=torch.from_numpy(val.labels_NC).float())
    again = loss.sum(logits, wanted).item() / val.labels_NC.size
    losses = [epoch.val_loss for epoch in reported]
    assert min(losses, key=lambda value: abs(value - again)) == result.best.val_loss
    assert again == pytest.approx(result.best.val_loss, abs=1e-5)


@pytest.mark.parametrize(
    ("keep", "aucs", "kept"),
    [("best", [0.7, 0.9, 0.8], 2), ("best", [0.9, 0.9], 1), ("last", [0.7, 0.9, 0.8], 3), ("last", [0.5], 1)],
)
def test_the_kept_epoch_is_the_first_of_the_best_or_the_last(trained, keep, aucs, kept):
    history = [replace(trained.history[0], epoch=k, val_auc=auc) for k, auc in enumerate(aucs, start=1)]
    assert kept_epoch(history, replace(TINY, keep=keep)).epoch == kept


def test_a_run_folder_holds_checkpoint_history_and_recipe(trained, dataset, tmp_path):
    trained.write(tmp_path / "run")
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        "checkpoint.json",
        "checkpoint.safetensors",
        "history.csv",
        "recipe.toml",
    }
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.architecture == TINY.architecture
    assert checkpoint.classes == dataset.classes
    assert checkpoint.preprocessing == TINY.preprocessing()
    for key, weights in weights_of(trained.network).items():
        np.testing.assert_array_equal(weights, weights_of(checkpoint.network)[key], err_msg=key)
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_auc"]) for row in rows] == [epoch.val_auc for epoch in trained.history]
    assert load_recipe(tmp_path / "run" / "recipe.toml") == TINY


def test_an_earlier_run_is_replaced_only_by_force(trained, tmp_path):
    trained.write(tmp_path / "run")
    with pytest.raises(OutputError, match="exists already"):
        trained.write(tmp_path / "run")
    trained.write(tmp_path / "run", force=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "schedule": "cosine", "positive_weight": "none"},
        {"schedule": "constant", "random_crop": False, "mirror": False},
        {"precision": "bf16"},
        {"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3, "batch_size": 64},
    ],
)
def test_every_kind_of_setting_trains(dataset, changes):
    result = train(dataset, replace(TINY, epochs=1, **changes))
    assert np.isfinite(result.best.train_loss)


def test_each_epoch_learns_from_its_own_size_and_is_judged_at_the_crop(dataset, monkeypatch):
    seen = []
    logits_of = Trainer._logits

    def note(self, model, grey):
        seen.append((self.epoch, model.training, grey.shape[-1]))
        return logits_of(self, model, grey)

    monkeypatch.setattr(Trainer, "_logits", note)
    crop = TINY.crop
    recipe = replace(TINY, epochs=3, sizes=(crop // 2, crop - 2, crop), rotation=5.0)
    trained = train(dataset, recipe)
    assert set(seen) == {
        *((1, True, crop // 2), (2, True, crop - 2), (3, True, crop)),
        *((epoch, False, crop) for epoch in (1, 2, 3)),
    }
    assert trained.recipe.preprocessing().crop == crop


def test_a_loss_that_is_no_number_stops_training_with_one_clear_error(dataset):
    with pytest.raises(XoptError, match=r"loss became (nan|inf) .*try a lower learning rate than 1e\+30"):
        train(dataset, replace(TINY, learning_rate=1e30, schedule="constant", optimizer="sgd"))


@pytest.mark.parametrize("absent", ["train", "val"])
def test_a_split_that_is_absent_is_named(dataset, absent):
    rest = {name: split for name, split in dataset.splits.items() if name != absent}
    with pytest.raises(DataError, match=f"no split '{absent}'"):
        train(replace(dataset, splits=rest), TINY)


def test_an_unknown_architecture_is_refused_before_any_image_is_read():
    nothing = Dataset(name="x", root=Path("x"), classes=("A",), splits={})
    with pytest.raises(UsageError, match="did you mean resnet18"):
        train(nothing, replace(TINY, architecture="resnet-18"))


def test_without_both_labels_in_val_there_is_no_auc_and_the_loss_decides(dataset):
    val = dataset.split("val")
    silent = replace(val, labels_NC=np.zeros_like(val.labels_NC))
    result = train(replace(dataset, splits={**dataset.splits, "val": silent}), TINY)
    assert result.best.val_auc is None
    assert result.best.val_loss == min(epoch.val_loss for epoch in result.history)


def test_the_command_trains_and_writes_a_run(dataset, tmp_path, xopt):
    settings = [
        "--set",
        "architecture=mobilenet_v3_small",
        "--set",
        "size=40",
        "--set",
        "crop=32",
        "--set",
        "epochs=1",
    ]
    words = ["train", "--recipe", "phantoms", "--data", dataset.root, "--out", tmp_path / "run", *settings]
    done = xopt(*words, "--json")
    assert done.code == 0, done.err
    assert "1/1" in done.err
    facts = json.loads(done.out)
    assert facts["best"]["epoch"] == 1
    assert load_checkpoint(tmp_path / "run").architecture == "mobilenet_v3_small"
    again = xopt(*words)
    assert again.code == 1
    assert "exists already" in again.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--recipe", "phantoms"], "needs --data SOURCE and --out RUN"),
        (["--recipe", "phantoms", "--data", "x", "--out", "y", "--set", "epoch=3"], "did you mean epochs?"),
        (["--recipe", "chexnet", "--pretrained", "--weights", "x"], "both say where to start from"),
        (["--recipe", "nothing", "--data", "x", "--out", "y"], "no recipe 'nothing'"),
    ],
)
def test_the_command_refuses_what_makes_no_sense_with_exit_code_2(xopt, words, complaint):
    done = xopt("train", *words)
    assert done.code == 2
    assert complaint in done.err


def test_the_command_warns_of_patients_in_both_train_and_val(dataset, tmp_path, xopt):
    for name in ("train", "val"):
        (tmp_path / f"{name}_list.txt").write_text("".join(f"{i} 0\n" for i in dataset.split("train").images))
    (tmp_path / "classes.txt").write_text("Mass\n")
    done = xopt("train", "--recipe", "phantoms", "--data", tmp_path, "--out", tmp_path / "run")
    assert "patients stand in both train and val" in done.err
    assert done.code == 1
    assert "no image phantom00001_00.png" in done.err
    assert not (tmp_path / "run").exists()
