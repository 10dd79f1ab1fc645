"""The recipes that come along, on real X-rays: each trains, and what it writes can be exported."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import open_source  # noqa: E402
from xopt.train import load_checkpoint, load_recipe  # noqa: E402
from xopt.train.loop import train  # noqa: E402

# Small enough for a test; everything else is the recipe's own.
SMALL = {"size": 72, "crop": 64, "sizes": (), "epochs": 1, "pretrained": False}


def part_of(dataset, count):
    """A few images, spread over each split, that hold positives of some findings."""
    splits = {}
    for name in ("train", "val"):
        split = dataset.split(name)
        order = np.argsort(-split.labels_NC.sum(axis=1), kind="stable")
        splits[name] = split.select(order[:: max(1, len(split) // count)][:count])
    return replace(dataset, splits=splits)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("chexnet", 4), ("chexnet-fast", 4), ("gennas", 6), ("resnet18-accelerated", 6)],
)
def test_a_recipe_for_findings_trains_on_real_x_rays(shared, name, count):
    dataset = part_of(open_source(shared / "data" / "nih-mini"), count)
    recipe = replace(load_recipe(name), **SMALL)
    trained = train(dataset, replace(recipe, batch_size=min(recipe.batch_size, 6)))
    assert np.isfinite(trained.best.val_loss)
    assert trained.best.val_auc is not None
    assert (trained.task, len(trained.classes)) == ("multi-label", 14)


@pytest.mark.shared
@pytest.mark.slow
def test_the_pneumonia_recipe_learns_and_becomes_a_bundle(shared, tmp_path, xopt):
    source = shared / "data" / "pneumonia28.npz"
    dataset = part_of(open_source(source), 400)
    recipe = replace(load_recipe("pneumonia-cnn"), epochs=2)
    trained = train(dataset, recipe, run=tmp_path / "run")
    assert trained.best.val_auc > 0.85
    assert load_checkpoint(tmp_path / "run").task == "binary"
    done = xopt("export", tmp_path / "run", "--out", tmp_path / "pneumonia.xopt", "--crops", "center")
    assert done.code == 0, done.err
    found = xopt("verify", tmp_path / "pneumonia.xopt")
    assert found.code == 0, found.err


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            "chexnet",
            {
                "architecture": "densenet121",
                "optimizer": "sgd",
                "learning_rate": 1e-4,
                "momentum": 0.9,
                "nesterov": False,
                "batch_size": 4,
                "ten_crop": "probabilities",
            },
        ),
        (
            "gennas",
            {
                "architecture": "macro-12122122",
                "optimizer": "sgd",
                "learning_rate": 4e-4,
                "schedule": "exponential",
                "schedule_factor": 0.97,
                "momentum": 0.9,
                "nesterov": False,
                "batch_size": 24,
                "epochs": 50,
            },
        ),
        (
            "resnet50-accelerated",
            {
                "architecture": "resnet50",
                "pretrained": True,
                "optimizer": "adam",
                "learning_rate": 1e-3,
                "batch_size": 32,
                "epochs": 25,
                "loss": "bce",
            },
        ),
        ("pneumonia-cnn", {"architecture": "small-cnn", "epochs": 10}),
    ],
)
def test_a_recipe_has_the_settings_of_the_system_it_stands_for(name, settings):
    recipe = load_recipe(name)
    assert {key: getattr(recipe, key) for key in settings} == settings
