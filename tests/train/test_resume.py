"""A training that stops, for whatever reason, goes on where it stood."""

import json
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import open_source  # noqa: E402
from xopt.runtime.errors import (  # noqa: E402
    CheckpointError,
    InputError,
    OutputError,
    TrainingError,
    UsageError,
)
from xopt.train import load_checkpoint  # noqa: E402
from xopt.train.intervals import Interval  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402
from xopt.train.states import States  # noqa: E402

KILL_LOOP = Path(__file__).with_name("kill_loop.py")
TINY = Recipe(
    architecture="macro-1-stem4-depths1-widths8-head8",
    epochs=4,
    learning_rate=1e-2,
    size=12,
    crop=10,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    batch_size=8,
)
EVERY_STEP = Interval(steps=1)


class Halt(Exception):  # noqa: N818
    """Ends a training from outside, as a crash would."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    numbers = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 40), ("val", 16)):
        labels = numbers.integers(0, 2, size=(count, 3)).astype(np.uint8)
        images = numbers.integers(0, 256, size=(count, 12, 12)).astype(np.uint8)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    np.savez(folder / "data.npz", **arrays)
    return open_source(folder / "data.npz")


def halting(epoch):
    """Reports until `epoch`, then crashes."""

    def report(done):
        if done.epoch == epoch:
            raise Halt

    return report


def same(first, second):
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
    for a, b in zip(first.history, second.history, strict=True):
        assert (a.train_loss, a.val_loss, a.val_auc, a.learning_rate) == (
            b.train_loss,
            b.val_loss,
            b.val_auc,
            b.learning_rate,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "schedule": "plateau", "schedule_patience": 0, "ema": 0.9},
        {"optimizer": "adam", "schedule": "exponential", "sampling": "balanced", "accumulate": 2},
        {"precision": "fp16", "schedule": "step", "loss": "focal", "clip_norm": 0.5},
        {"precision": "bf16", "schedule": "cosine", "erasing": 0.5, "label_smoothing": 0.1},
        {"ten_crop": "probabilities", "random_crop": False, "mirror": False, "channels_last": False},
        {"sizes": (6, 10, 8), "rotation": 5.0},
        # Its dropout draws from torch's own random numbers.
        {"architecture": "mobilenet_v3_small", "size": 36, "crop": 32, "epochs": 3},
    ],
)
def test_a_resumed_training_comes_to_the_same_bits(dataset, tmp_path, changes):
    recipe = replace(TINY, **changes)
    whole = train(dataset, recipe)
    with pytest.raises(Halt):
        train(dataset, recipe, run=tmp_path / "run", report=halting(2))
    resumed = train(dataset, recipe, run=tmp_path / "run", resume=True)
    same(resumed, whole)
    weights = load_checkpoint(tmp_path / "run").network.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in resumed.network.state_dict().items())


def test_keeping_a_run_changes_nothing_in_what_it_comes_to(dataset, tmp_path):
    same(train(dataset, TINY, run=tmp_path / "run", checkpoint_every=EVERY_STEP), train(dataset, TINY))


def test_a_finished_run_resumes_to_itself(dataset, tmp_path):
    first = train(dataset, TINY, run=tmp_path / "run")
    reported = []
    again = train(dataset, TINY, run=tmp_path / "run", resume=True, report=reported.append)
    assert reported == []
    same(again, first)


def test_early_stopping_ends_a_training_and_its_resumed_twin_alike(dataset, tmp_path):
    recipe = replace(TINY, epochs=60, patience=2, learning_rate=1e-6, schedule="constant")
    whole = train(dataset, recipe)
    assert len(whole.history) == whole.best.epoch + 2 < 60
    with pytest.raises(Halt):
        train(dataset, recipe, run=tmp_path / "run", report=halting(2))
    same(train(dataset, recipe, run=tmp_path / "run", resume=True), whole)


def test_resuming_where_nothing_is_begins(dataset, tmp_path):
    same(train(dataset, TINY, run=tmp_path / "run", resume=True), train(dataset, TINY))


@pytest.fixture(scope="module")
def begun(dataset, tmp_path_factory):
    """A run that crashed after two epochs."""
    run = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Halt):
        train(dataset, TINY, run=run, report=halting(2))
    return run


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"learning_rate": 0.02},
            r"begun with learning_rate = 0\.01 in its recipe, not 0\.02; resume it",
        ),
        ({"epochs": 9, "seed": 3}, r"epochs = 4 in its recipe, not 9; seed = 0 in its recipe, not 3"),
        ({"mean": (0.4,)}, r"mean = \[0\.5\] in its recipe, not \[0\.4\]"),
    ],
)
def test_another_recipe_is_refused_by_name(dataset, begun, changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        train(dataset, replace(TINY, **changes), run=begun, resume=True)


def test_other_data_is_refused_by_name(dataset, begun):
    split = dataset.split("train")
    other_labels = replace(split, labels_NC=1 - split.labels_NC)
    with pytest.raises(UsageError, match="was begun with other training labels; resume"):
        train(
            replace(dataset, splits={**dataset.splits, "train": other_labels}), TINY, run=begun, resume=True
        )
    other_images = replace(split, stored=split.stored.select([1, 0, *range(2, len(split))]))
    with pytest.raises(UsageError, match="was begun with other training images; resume"):
        train(
            replace(dataset, splits={**dataset.splits, "train": other_images}), TINY, run=begun, resume=True
        )
    with pytest.raises(UsageError, match="other classes"):
        train(replace(dataset, classes=("x", "y", "z")), TINY, run=begun, resume=True)


def test_a_run_that_is_there_is_neither_replaced_nor_resumed_by_chance(dataset, begun):
    with pytest.raises(OutputError, match="go on with it by --resume, or replace it by --force"):
        train(dataset, TINY, run=begun)


def test_a_folder_that_is_no_run_is_never_replaced(dataset, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("meow")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"photos (exists already|is a folder without)"):
            train(dataset, TINY, run=tmp_path / "photos", force=not resume, resume=resume)
    assert (tmp_path / "photos" / "cat.txt").exists()


@pytest.mark.parametrize("name", ["state.pt", "best.safetensors", "state.json"])
def test_a_state_that_has_changed_on_disk_is_refused(begun, name):
    (state,) = (begun / "states").iterdir()
    content = (state / name).read_bytes()
    try:
        (state / name).write_bytes(content[:-20] + bytes(20))
        with pytest.raises(CheckpointError, match=r"(has changed since it was saved|is damaged).*--force"):
            States(begun).load()
    finally:
        (state / name).write_bytes(content)


def test_a_disk_that_is_full_leaves_what_was_saved(dataset, tmp_path):
    run = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    seen = {}

    def fill(epoch):
        if epoch.epoch == 2:
            seen.update({file.name: file.read_bytes() for file in run.glob("states/*/*")})
            # No file may grow beyond a kilobyte from here on: the kernel refuses, as a full disk does.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    try:
        with pytest.raises(TrainingError, match=r"cannot write .*what was saved before is intact: make room"):
            train(dataset, TINY, run=run, report=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {file.name: file.read_bytes() for file in run.glob("states/*/*")} == seen
    assert load_checkpoint(run).notes["epoch"] >= 1
    assert not list(run.rglob("*.part"))
    same(train(dataset, TINY, run=run, resume=True), train(dataset, TINY))


# With the first rate a loss is no number before a weight is, with the second one a weight before a loss.
@pytest.mark.parametrize(("rate", "what"), [(1e20, "loss became (nan|inf)"), (1e300, "weights stopped")])
def test_numbers_that_are_none_leave_what_was_saved(dataset, tmp_path, rate, what):
    recipe = replace(TINY, learning_rate=rate, schedule="constant", optimizer="sgd", epochs=30)
    with pytest.raises(TrainingError, match=rf"{what} .*try a lower learning rate than 1e\+"):
        train(dataset, recipe, run=tmp_path / "run", checkpoint_every=EVERY_STEP)
    found = States(tmp_path / "run").load()
    if found is not None:
        assert all(bool(tensor.isfinite().all()) for tensor in found[0]["network"].values())


def test_an_image_that_cannot_be_read_is_named_before_anything_is_written(tmp_path):
    (tmp_path / "classes.txt").write_text("Mass\n")
    for split in ("train", "val"):
        (tmp_path / f"{split}_list.txt").write_text("broken.png 1\n")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.png"):
        train(open_source(tmp_path), TINY, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("500steps", Interval(steps=500)),
        ("1step", Interval(steps=1)),
        ("2 epochs", Interval(epochs=2)),
        ("1epoch", Interval(epochs=1)),
    ],
)
def test_an_interval_is_steps_or_epochs(text, interval):
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("text", ["", "5", "0steps", "-1epochs", "1.5epochs", "2hours", "steps"])
def test_any_other_interval_is_refused(text):
    with pytest.raises(UsageError, match="--checkpoint-every takes a number of steps or epochs"):
        Interval.parse(text)


STOPPED = """
import os, signal, sys
from pathlib import Path
from xopt.datasets import open_source
from xopt.runtime.errors import StoppedError
from xopt.train import load_recipe, train

data, recipe, run = sys.argv[1:]
before = signal.getsignal(signal.SIGTERM)

def ask(epoch):
    if epoch.epoch == 2:
        os.kill(os.getpid(), signal.SIGTERM)

try:
    train(open_source(data), load_recipe(recipe), run=Path(run), report=ask)
except StoppedError as error:
    print(error)
print(signal.getsignal(signal.SIGTERM) == before)
"""


def test_sigterm_in_the_main_thread_saves_and_stops(dataset, tmp_path):
    # In a process of its own: tests may run beside a main thread, which alone hears signals.
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(TINY.to_toml())
    words = [sys.executable, "-c", STOPPED, dataset.root, recipe, run]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    said, given_back = done.stdout.splitlines()
    assert re.fullmatch(r"stopped by SIGTERM after step 11, saved in .*run; go on with.*", said), done.stderr
    assert given_back == "True"
    same(train(dataset, TINY, run=run, resume=True), train(dataset, TINY))


@pytest.mark.slow
def test_the_command_stops_at_sigterm_in_one_line_and_resumes_without_its_recipe(dataset, tmp_path, xopt):
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(replace(TINY, epochs=2000).to_toml())
    words = ["--data", dataset.root, "--out", run]
    process = subprocess.Popen(
        [sys.executable, "-m", "xopt", "train", "--recipe", str(recipe), *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "checkpoint.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    lines = [line for line in said.splitlines() if line.startswith("xopt:")]
    assert len(lines) == 1
    assert "stopped by SIGTERM after step" in lines[0]
    (state,) = (run / "states").iterdir()
    step = json.loads((state / "state.json").read_text())["step"]
    assert f"after step {step}," in lines[0]
    refused = xopt("train", "--resume", "--set", "epochs=3", *words)
    assert refused.code == 2
    assert "was begun with epochs = 2000 in its recipe, not 3" in refused.err


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "kills"), [(1, 12), (2, 3)])
def test_kills_at_any_moment_lose_one_interval_at_most(ranks, kills):
    kills = int(os.environ.get("XOPT_KILLS", kills))
    done = subprocess.run(
        [sys.executable, KILL_LOOP, f"--kills={kills}", f"--ranks={ranks}"],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["kills"] == kills
    assert facts["inside_a_file_operation"] > 0
    assert facts["different"] == []
    assert facts["most_steps_lost"] <= facts["interval"]
