"""A training that stops, for whatever reason, goes on where it stood."""

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import Dataset, open_source  # noqa: E402
from xopt.models import load_checkpoint  # noqa: E402
from xopt.runtime.errors import (  # noqa: E402
    BusyError,
    CheckpointError,
    InputError,
    OutputError,
    TrainingError,
    UsageError,
)
from xopt.train.loop import train  # noqa: E402
from xopt.train.results import read_history  # noqa: E402
from xopt.train.run_checkpointer import Interval  # noqa: E402
from xopt.train.run_folder import RunFolder  # noqa: E402
from xopt.train.training_state import States  # noqa: E402

from .tiny import TINY, Halt, halting, write_data  # noqa: E402

KILL_LOOP = Path(__file__).with_name("kill_loop.py")
EVERY_STEP = Interval(steps=1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_source(write_data(tmp_path_factory.mktemp("data"), classes=3))


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
    uninterrupted = train(dataset, recipe)
    with pytest.raises(Halt):
        train(dataset, recipe, run=tmp_path / "run", report=halting(2))
    resumed = train(dataset, recipe, run=tmp_path / "run", resume=True)
    same(resumed, uninterrupted)
    weights = load_checkpoint(tmp_path / "run").network.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in resumed.network.state_dict().items())


def test_saving_a_run_changes_nothing_in_what_it_comes_to(dataset, tmp_path):
    same(train(dataset, TINY, run=tmp_path / "run", checkpoint_every=EVERY_STEP), train(dataset, TINY))


def test_a_finished_run_resumes_to_itself(dataset, tmp_path):
    first = train(dataset, TINY, run=tmp_path / "run")
    reported = []
    again = train(dataset, TINY, run=tmp_path / "run", resume=True, report=reported.append)
    assert reported == []
    same(again, first)


def test_a_resumed_run_asks_for_no_first_weights(dataset, tmp_path, monkeypatch):
    recipe = replace(TINY, pretrained=True)
    monkeypatch.setattr("xopt.train.run_setup.start_pretrained", lambda _network, _recipe: None)
    with pytest.raises(Halt):
        train(dataset, recipe, run=tmp_path / "run", report=halting(2))
    # The state holds every weight.
    monkeypatch.setattr("xopt.train.run_setup.start_pretrained", None)
    same(train(dataset, recipe, run=tmp_path / "run", resume=True), train(dataset, TINY))


@pytest.mark.parametrize("recipe", [TINY, replace(TINY, architecture="small-cnn+small-cnn")])
def test_a_run_of_a_removed_architecture_is_refused(dataset, tmp_path, recipe):
    train(dataset, replace(TINY, epochs=1), run=tmp_path / "run")
    facts = (tmp_path / "run/run.json").read_text()
    (tmp_path / "run/run.json").write_text(facts.replace(TINY.architecture, "small-cnn+small-cnn"))
    with pytest.raises(UsageError, match=r"^architecture 'small-cnn\+small-cnn' was removed after version 0"):
        train(dataset, recipe, run=tmp_path / "run", resume=True)


def test_early_stopping_ends_a_training_and_its_resumed_twin_alike(dataset, tmp_path):
    recipe = replace(TINY, epochs=60, patience=2, learning_rate=1e-6, schedule="constant")
    uninterrupted = train(dataset, recipe)
    assert len(uninterrupted.history) == uninterrupted.best.epoch + 2 < 60
    with pytest.raises(Halt):
        train(dataset, recipe, run=tmp_path / "run", report=halting(2))
    same(train(dataset, recipe, run=tmp_path / "run", resume=True), uninterrupted)


@pytest.mark.parametrize("words", [{"resume": True}, {"force": True}, {}])
def test_a_run_has_one_training_at_a_time(dataset, tmp_path, words):
    run = tmp_path / "run"

    def come_second(epoch):
        with pytest.raises(BusyError, match=r"^another process is training into .*run; wait for it to end"):
            train(dataset, TINY, run=run, **words)

    first = train(dataset, TINY, run=run, report=come_second)
    same(first, train(dataset, TINY))
    # Whoever comes after the end is welcome.
    same(train(dataset, TINY, run=run, resume=True), first)


def test_of_two_that_begin_at_once_one_has_the_run(dataset, tmp_path, monkeypatch):
    run = tmp_path / "run"
    begin = RunFolder.begin

    def overtaken(self, *words, **more):
        monkeypatch.setattr(RunFolder, "begin", begin)
        with pytest.raises(Halt):
            train(dataset, TINY, run=run, report=halting(1))
        begin(self, *words, **more)

    monkeypatch.setattr(RunFolder, "begin", overtaken)
    with pytest.raises(OutputError, match="exists already"):
        train(dataset, TINY, run=run)
    assert len(read_history((run / "history.csv").read_text())) == 1


@pytest.mark.parametrize(
    "torn", ["", "epo", "epoch,step,learning_rate,loss", "{whole}1,9,0", "{whole}\0\0\0\n1,9\n"]
)
def test_a_log_that_a_kill_has_torn_is_mended(dataset, begun, tmp_path, torn):
    run = tmp_path / "run"
    shutil.copytree(begun, run)
    steps = run / "steps.csv"
    text = steps.read_text()
    steps.write_text(torn.replace("{whole}", text))
    (run / ".history.csv.0123abcd.part").write_text("half")
    train(dataset, TINY, run=run, resume=True)
    with steps.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "learning_rate", "loss"]
    # What the torn log no longer tells is lost; what it tells is told once.
    assert [int(row["step"]) for row in rows] == list(range(1 if "{whole}" in torn else 6, 21))
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert not list(run.glob(".*.part"))


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


@pytest.mark.parametrize("resume", [False, True])
def test_a_place_that_is_not_there_is_named_before_an_image_is_read(tmp_path, resume):
    nothing = Dataset(name="x", root=tmp_path, classes=("A",), splits={})
    with pytest.raises(OutputError, match=r"no folder .*missing to write run in"):
        train(nothing, TINY, run=tmp_path / "missing" / "run", resume=resume)


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


@pytest.mark.slow
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
    # More epochs than can pass before it is told to stop.
    recipe.write_text(replace(TINY, epochs=100_000).to_toml())
    words = ["--data", dataset.root, "--out", run]
    busy = f"another process is training into {run}; wait for it to end, or choose another --out"
    process = subprocess.Popen(
        [sys.executable, "-m", "xopt", "train", "--recipe", str(recipe), *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "checkpoint.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for way in ("--resume", "--force"):
        second = xopt("train", "--recipe", recipe, way, *words)
        assert (second.code, second.err.splitlines()[-1]) == (1, f"xopt: {busy}")
    process.terminate()
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 143
    lines = [line for line in said.splitlines() if line.startswith("xopt:")]
    assert len(lines) == 1
    assert "stopped by SIGTERM after step" in lines[0]
    done = len(read_history((run / "history.csv").read_text()))
    assert f"for {done} of 100000 epochs" in (run / "run.html").read_text()
    (state,) = (run / "states").iterdir()
    step = json.loads((state / "state.json").read_text())["step"]
    assert f"after step {step}," in lines[0]
    refused = xopt("train", "--resume", "--set", "epochs=3", *words)
    assert refused.code == 2
    assert "was begun with epochs = 100000 in its recipe, not 3" in refused.err


@pytest.mark.parametrize(
    ("ranks", "kills"),
    [
        pytest.param(1, 12, marks=pytest.mark.slow),
        pytest.param(2, 3, marks=pytest.mark.slow),
        pytest.param(1, 200, marks=pytest.mark.soak),
        pytest.param(2, 50, marks=pytest.mark.soak),
    ],
)
def test_kills_at_any_moment_lose_one_interval_at_most(ranks, kills):
    done = subprocess.run(
        [sys.executable, KILL_LOOP, f"--kills={kills}", f"--ranks={ranks}"],
        capture_output=True,
        text=True,
        timeout=1800,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["kills"] == kills
    assert facts["inside_a_file_operation"] > 0
    assert facts["different"] == []
    assert facts["most_steps_lost"] <= facts["interval"]
