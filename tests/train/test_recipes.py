"""The recipes that come along, on real X-rays: each trains, and what it writes becomes a bundle."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import open_source  # noqa: E402
from xopt.train import load_recipe  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.recipe import recipe_names  # noqa: E402

# Small enough for a test; everything else is the recipe's own.
SMALL = ("epochs=1", "batch_size=4", "size=72", "crop=64", "sizes=[]", "pretrained=false")
ELSEWHERE = ("phantoms", "search-small")
"""Recipes that the tests of the demo and of the search run."""


@pytest.fixture(scope="module")
def x_rays(shared, tmp_path_factory):
    """The list files of real X-rays, cut down to eight images a split that hold most findings."""
    source = shared / "data" / "nih-mini"
    folder = tmp_path_factory.mktemp("x-rays")
    (folder / "images").symlink_to(source / "images")
    for split in ("train", "val"):
        lines = (source / f"{split}_list.txt").read_text().splitlines()
        lines.sort(key=lambda line: -line.split()[1:].count("1"))
        (folder / f"{split}_list.txt").write_text("\n".join(lines[: 8 * 40 : 40]) + "\n")
    return folder


@pytest.fixture(scope="module")
def small_pictures(shared, tmp_path_factory):
    """Some hundred images a split of real children's X-rays at 28 pixels."""
    file = tmp_path_factory.mktemp("pictures") / "pneumonia28.npz"
    arrays = np.load(shared / "data" / "pneumonia28.npz")
    # Its images are sorted by their label.
    steps = {"train": 9, "val": 2}
    parts = {name: arrays[name][:: steps[name.split("_")[0]]] for name in arrays if "test" not in name}
    np.savez(file, **parts)
    return file


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in ELSEWHERE])
def test_a_recipe_turns_real_x_rays_into_a_bundle_that_answers(shared, x_rays, tmp_path, xopt, name):
    run, bundle = tmp_path / "run", tmp_path / "bundle.xopt"
    settings = [word for setting in SMALL for word in ("--set", setting)]
    done = xopt("train", "--recipe", name, "--data", x_rays, "--out", run, *settings, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert len(facts["classes"]) == 14
    assert facts["best"]["epoch"] == 1
    assert (run / "run.html").is_file()
    if name == "resnet50-accelerated":
        # Its export goes as resnet18's does, and takes half a minute.
        return
    done = xopt("export", run, "--out", bundle, "--crops", "center")
    assert done.code == 0, done.err
    names = (x_rays / "val_list.txt").read_text().splitlines()
    images = [x_rays / "images" / line.split()[0] for line in names[:2]]
    done = xopt("predict", bundle, *images, "--json")
    assert done.code == 0, done.err
    answers = json.loads(done.out)["images"]
    assert [len(answer["probabilities"]) for answer in answers.values()] == [14, 14]


@pytest.mark.shared
@pytest.mark.slow
def test_the_pneumonia_recipe_learns_in_four_epochs(small_pictures):
    recipe = replace(load_recipe("pneumonia-cnn"), epochs=4)
    trained = train(open_source(small_pictures), recipe)
    assert trained.best.val_auc > 0.9
    assert (trained.task, trained.recipe.crop) == ("binary", 28)


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
        (
            "pneumonia-cnn",
            {"architecture": "small-cnn", "channels": 1, "sampling": "balanced", "border": "edge"},
        ),
    ],
)
def test_a_recipe_has_the_settings_of_the_system_it_stands_for(name, settings):
    recipe = load_recipe(name)
    assert {key: getattr(recipe, key) for key in settings} == settings
