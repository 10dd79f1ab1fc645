"""A recipe over several seeds: what each came to, and all of them together."""

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import open_source
from xopt.optimize.seed_results import METRICS, SeedResult, Seeds
from xopt.optimize.seeds import SeedSettings, main, run_seeds
from xopt.optimize.thresholds import ThresholdSettings
from xopt.runtime.bundle import Bundle
from xopt.runtime.errors import DataError, UsageError
from xopt.train import Recipe
from xopt.train.loop import train

RECIPE = Recipe(
    architecture="small-cnn",
    epochs=1,
    learning_rate=3e-3,
    size=16,
    crop=16,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    batch_size=16,
)
SETTINGS = SeedSettings(thresholds=ThresholdSettings(rule="sensitivity", target=0.9))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Positive images are brighter in one corner."""
    random = np.random.default_rng(3)
    arrays = {}
    for name, count in (("train", 96), ("val", 40), ("test", 50)):
        labels = np.arange(count) % 2
        images = random.integers(60, 160, (count, 16, 16))
        images[labels == 1, :8, :8] += 30
        arrays |= {f"{name}_images": images.astype(np.uint8), f"{name}_labels": labels[:, None]}
    path = tmp_path_factory.mktemp("data") / "corners.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """Two seeds, the second of which was trained by an earlier, interrupted call."""
    out = tmp_path_factory.mktemp("seeds")
    dataset = open_source(data)
    (out / "seed-1").mkdir()
    train(dataset, replace(RECIPE, seed=1), run=out / "seed-1" / "run")
    return out, run_seeds(dataset, RECIPE, out, seeds=2, settings=SETTINGS)


def a_result(seed, **metrics):
    return SeedResult(
        seed=seed,
        seconds=60.0,
        cpu_s=90.0,
        best_epoch=3,
        val_auc=0.9,
        thresholds={"x": 0.25},
        metrics=dict.fromkeys(METRICS, 0.5) | metrics,
        bundle="0" * 64,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_metrics_are_those_of_the_bundle_at_its_own_threshold(data, done, xopt, seed):
    out, seeds = done
    folder = out / f"seed-{seed}"
    threshold = Bundle.open(folder / "bundle.xopt").manifest.thresholds["positive"]
    said = xopt("score", folder / "test.csv", "--data", data, "--threshold", threshold, "--json")
    assert said.code == 0, said.err
    scored = json.loads(said.out)["classes"]["positive"]
    assert seeds.results[seed].metrics == {name: scored[name] for name in METRICS}
    assert seeds.results[seed].thresholds == {"positive": threshold}


@pytest.mark.slow
def test_seeds_give_different_networks(done):
    _, seeds = done
    assert [result.seed for result in seeds.results] == [0, 1]
    assert len({result.bundle for result in seeds.results}) == 2


@pytest.mark.slow
def test_cpu_time_is_told_only_where_one_call_saw_all_of_the_training(done):
    _, seeds = done
    assert seeds.results[0].cpu_s > 0
    assert seeds.results[1].cpu_s is None


@pytest.mark.slow
def test_what_is_done_is_read_and_not_trained_again(data, done):
    out, seeds = done
    # Equal to the last digit of its seconds, which no second training would have.
    assert run_seeds(open_source(data), RECIPE, out, seeds=2, settings=SETTINGS) == seeds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings", "named"),
    [
        (replace(RECIPE, learning_rate=1e-3), SETTINGS, "recipe"),
        (RECIPE, SeedSettings(thresholds=ThresholdSettings(rule="youden")), "settings"),
    ],
)
def test_a_seed_of_another_recipe_or_rule_is_refused(data, done, recipe, settings, named):
    out, _ = done
    with pytest.raises(UsageError, match=rf"seed-0 is a seed with other {named}; choose another --out"):
        run_seeds(open_source(data), recipe, out, seeds=1, settings=settings)


@pytest.mark.slow
def test_the_command_shows_what_is_done(data, done, tmp_path):
    out, seeds = done
    recipe = tmp_path / "corners.toml"
    recipe.write_text(RECIPE.to_toml())
    app = typer.Typer()
    app.command()(main)
    words = [str(data), "--recipe", str(recipe), "--out", str(out), "--seeds", "2", "--target", "0.9"]
    shown = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(shown.stdout) == json.loads(json.dumps(seeds.to_json()))
    refused = CliRunner().invoke(app, [*words, "--set", "epochs=2"])
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith(f"xopt: {out}/seed-0 is a seed with other recipe")


def test_a_result_that_is_none_is_named(data, tmp_path):
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "result.json").write_text("{}")
    with pytest.raises(DataError, match=r"seed-0/result\.json is no result of this xopt"):
        run_seeds(open_source(data), RECIPE, tmp_path, seeds=1, settings=SETTINGS)


def test_the_split_that_chose_the_thresholds_is_not_answered():
    with pytest.raises(UsageError, match="split val chose the thresholds"):
        SeedSettings(split="val")


def test_no_seed_at_all_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match="at least 1 seed is needed, got 0"):
        run_seeds(open_source(data), RECIPE, tmp_path / "out", seeds=0)
    assert not (tmp_path / "out").exists()


def test_the_spread_is_that_of_a_sample():
    values = [0.98, 0.99, 0.985, 0.97]
    seeds = Seeds(results=tuple(a_result(seed, auc=value) for seed, value in enumerate(values)))
    assert seeds.spread("auc") == pytest.approx(
        {"mean": statistics.mean(values), "sd": statistics.stdev(values), "min": 0.97, "max": 0.99}
    )


def test_one_seed_has_no_deviation():
    assert Seeds(results=(a_result(0, auc=0.9),)).spread("auc") == {
        "mean": 0.9,
        "sd": 0.0,
        "min": 0.9,
        "max": 0.9,
    }


def test_a_metric_that_a_seed_lacks_has_no_mean():
    seeds = Seeds(results=(a_result(0), a_result(1, auc=None)))
    assert seeds.spread("auc") is None
    assert seeds.to_json()["auc"] is None
    assert [row.split()[-4] for row in seeds.to_text().splitlines()[2:5]] == ["0.5000", "-", "-"]
