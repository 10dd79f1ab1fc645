"""What a run folder holds: logs for people, for spreadsheets and for TensorBoard, a page, a checkpoint."""

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import open_source  # noqa: E402
from xopt.models import load_checkpoint  # noqa: E402
from xopt.models.checkpoint import METADATA, save_checkpoint  # noqa: E402
from xopt.models.registry import build  # noqa: E402
from xopt.runtime.errors import CheckpointError  # noqa: E402
from xopt.runtime.files import write_file  # noqa: E402
from xopt.train import load_recipe  # noqa: E402
from xopt.train.comparing import Run, RunComparison, compare_runs, read_run  # noqa: E402
from xopt.train.events import Events  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.page import comparison_page, run_page, write_page  # noqa: E402
from xopt.train.results import Epoch, history_csv, read_history  # noqa: E402
from xopt.train.run_checkpointer import Interval  # noqa: E402

from .tiny import TINY, Halt, halting, write_data  # noqa: E402

FILES = {
    "auc.svg",
    "checkpoint.json",
    "history.csv",
    "loss.svg",
    "recipe.toml",
    "run.html",
    "run.json",
    "states",
    "steps.csv",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"), values=3)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run that crashed in its second epoch, and was resumed."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    recipe = replace(TINY, epochs=3, loss="cross-entropy")
    every = Interval(steps=3)
    with pytest.raises(Halt):
        train(open_source(data), recipe, run=folder, report=halting(2), checkpoint_every=every)
    trained = train(open_source(data), recipe, run=folder, resume=True, checkpoint_every=every)
    assert write_page(folder, read_run(folder)) is None
    return folder, trained


def test_it_holds_logs_pictures_a_page_and_the_best_network(run):
    folder, trained = run
    names = {path.name for path in folder.iterdir()}
    assert names >= FILES
    rest = names - FILES
    assert len([name for name in rest if name.startswith("events.out.tfevents.")]) == 2
    assert len([name for name in rest if name.startswith("checkpoint.")]) == 1
    checkpoint = load_checkpoint(folder)
    assert checkpoint.task == "multi-class"
    assert checkpoint.notes["epoch"] == trained.best.epoch
    assert load_recipe(folder / "recipe.toml") == trained.recipe
    assert len(list((folder / "states").iterdir())) == 1


def test_every_step_and_epoch_stands_in_the_logs_once(run):
    folder, trained = run
    with (folder / "steps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 16))
    assert [int(row["epoch"]) for row in rows] == [1] * 5 + [2] * 5 + [3] * 5
    first = [float(row["loss"]) for row in rows[:5]]
    assert trained.history[0].train_loss == pytest.approx(sum(first) / 5)
    assert read_history((folder / "history.csv").read_text()) == trained.history


def test_tensorboard_reads_the_same_numbers(run):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, trained = run
    board = accumulators.EventAccumulator(str(folder)).Reload()
    with (folder / "steps.csv").open(newline="") as file:
        wanted = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    # What the crashed run wrote after its last state was taken back when it was resumed.
    found = board.Scalars("train/loss")
    assert [value.step for value in found] == list(wanted)
    assert [value.value for value in found] == pytest.approx(list(wanted.values()), rel=1e-6)
    aucs = {value.step: value.value for value in board.Scalars("epoch/val_auc")}
    assert aucs == pytest.approx({epoch.epoch: epoch.val_auc for epoch in trained.history}, rel=1e-6)


def test_an_event_file_takes_large_steps_and_any_number(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = Events(tmp_path)
    values = {0: 0.0, 1: -1.5, 127: 3e-30, 128: 1e30, 2**31 + 5: 7.0}
    for step, value in values.items():
        events.scalar("a tag, with ünicode", value, step)
        events.flush()
    board = accumulators.EventAccumulator(str(tmp_path)).Reload()
    found = board.Scalars("a tag, with ünicode")
    assert {value.step: value.value for value in found} == pytest.approx(values, rel=1e-6)


def test_the_page_stands_alone_and_names_everything(run):
    folder, trained = run
    page = (folder / "run.html").read_text()
    assert page == run_page(read_run(folder))
    assert not re.search(r"(src|href)=\"(?!#)|https?://", page)
    assert page.count("<svg") == 2
    assert f"{trained.best.val_auc:.4f}" in page
    assert "<code>&quot;cross-entropy&quot;</code>" in page
    for name in ("loss.svg", "auc.svg"):
        assert ElementTree.parse(folder / name).getroot().tag.endswith("svg")


def test_without_matplotlib_the_run_still_works_and_says_so(data, tmp_path, monkeypatch, xopt):
    monkeypatch.setattr("xopt.train.page.can_draw", lambda: False)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(replace(TINY, epochs=1).to_toml())
    done = xopt("train", "--recipe", recipe, "--data", data, "--out", tmp_path / "plain")
    assert done.code == 0, done.err
    assert 'no curves: matplotlib is not installed here (pip install "xopt-edge[report]")' in done.err
    names = {path.name for path in (tmp_path / "plain").iterdir()}
    assert "run.html" in names
    assert not {"loss.svg", "auc.svg"} & names
    assert "<svg" not in (tmp_path / "plain" / "run.html").read_text()


def epoch(number, **changes):
    facts = {
        "epoch": number,
        "seconds": 2.0,
        "train_seconds": 1.5,
        "steps": 10,
        "learning_rate": 0.1,
        "train_loss": 0.5,
        "val_loss": 0.6,
        "val_auc": 0.7,
        "val_accuracy": 0.8,
    }
    return Epoch(**{**facts, **changes})


def test_a_history_reads_back_as_it_was():
    history = (epoch(1), epoch(2, val_auc=None, val_loss=1 / 3))
    assert read_history(history_csv(history)) == history
    with pytest.raises(ValueError, match="lacks a column"):
        read_history("epoch,seconds\n1,2\n")


def test_speed_up_is_by_seconds_an_epoch():
    slow = Run(name="slow", recipe=TINY, history=(epoch(1, seconds=6.0), epoch(2, seconds=10.0, val_auc=0.9)))
    fast = Run(name="fast", recipe=TINY, history=tuple(epoch(number) for number in (1, 2, 3, 4)))
    comparison = RunComparison(runs=(slow, fast))
    assert [comparison.speed_up(run) for run in comparison.runs] == [1, 4]
    facts = comparison.to_json()
    assert facts["reference"] == "slow"
    assert facts["runs"][0] | {"val_auc": 0.9, "best_epoch": 2, "epoch_s": 8.0} == facts["runs"][0]
    assert facts["runs"][1]["step_ms"] == pytest.approx(150)
    assert comparison.to_text().splitlines()[3].split()[:5] == ["fast", TINY.architecture, "fp32", "-", "4"]


def test_the_command_compares_runs_and_writes_a_page(run, tmp_path, xopt):
    folder, _ = run
    done = xopt("train", "compare", folder, folder, "--json", "--report", tmp_path / "report.html")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert [(row["speedup"], row["device"]) for row in facts["runs"]] == [(1, "cpu"), (1, "cpu")]
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4
    assert page == comparison_page(compare_runs([folder, folder]))
    again = xopt("train", "compare", folder, "--report", tmp_path / "report.html")
    assert again.code == 1
    assert "exists already" in again.err


def test_what_is_no_run_is_not_compared(tmp_path):
    with pytest.raises(CheckpointError, match=r"is no run folder of this xopt .*that xopt train wrote"):
        compare_runs([tmp_path])
    (tmp_path / "history.csv").write_text(history_csv(()))
    (tmp_path / "recipe.toml").write_text(TINY.to_toml())
    with pytest.raises(CheckpointError, match="has no finished epoch yet"):
        compare_runs([tmp_path])


def test_a_checkpoint_is_replaced_whole_at_every_moment(tmp_path, monkeypatch):
    networks = [build(TINY.architecture, 2, 1) for _ in range(3)]
    settings = {
        "architecture": TINY.architecture,
        "classes": ["a", "b"],
        "preprocessing": TINY.preprocessing(),
    }
    save_checkpoint(tmp_path, networks[0], **settings)

    def fails_at_the_json(path, content, *, force):
        if path.name == METADATA:
            raise Halt
        return write_file(path, content, force=force)

    monkeypatch.setattr("xopt.models.checkpoint.write_file", fails_at_the_json)
    with pytest.raises(Halt):
        save_checkpoint(tmp_path, networks[1], **settings)
    monkeypatch.undo()
    for network in (networks[0], networks[2]):
        if network is networks[2]:
            save_checkpoint(tmp_path, network, **settings)
        weights = load_checkpoint(tmp_path).network.state_dict()
        assert all(torch.equal(tensor, weights[key]) for key, tensor in network.state_dict().items())
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
