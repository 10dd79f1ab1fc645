"""A search is finished for real: small networks, small images, nothing left out."""

import json
import shutil

import numpy as np
import pytest

from xopt.models.checkpoint import load_checkpoint
from xopt.nas.finals.pipeline import contenders, finish
from xopt.nas.finals.retraining import predict
from xopt.nas.finals.settings import FinalsSettings
from xopt.nas.search.folder import SearchFolder
from xopt.runtime import Classifier
from xopt.runtime.bundle.bundle import Bundle
from xopt.runtime.errors import DataError, GateError, OutputError

from .made import SPACE, made_data, made_recipe, made_rows, row

FP32 = {"finalists": 2, "seeds": 2, "precision": "FP32", "resamples": 200}


def finish_in(folder, out="net.xopt", *, rows=None, force=False, **settings):
    """Finish the search in a folder, always the same one."""
    return finish(
        made_rows() if rows is None else rows,
        search=folder / "found",
        space=SPACE,
        dataset=made_data(folder),
        recipe=made_recipe(),
        out=folder / out,
        settings=FinalsSettings(**{**FP32, **settings}),
        force=force,
    )


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "found").mkdir()
    return folder


@pytest.fixture(scope="module")
def finished(search):
    return finish_in(search)


@pytest.fixture
def copied(finished, search, tmp_path):
    """The finished search once more, for a test that adds to it."""
    return shutil.copytree(search, tmp_path / "search")


def trainings(search):
    return {path: path.stat().st_mtime_ns for path in (search / "found").rglob("checkpoint.safetensors")}


def test_the_best_of_whole_trainings_are_trained_again_with_seeds_of_their_own(finished, search):
    assert {finalist.row.code for finalist in finished.finalists} == {"22", "10"}
    runs = sorted(str(path.parent.relative_to(search / "found/finals/runs")) for path in trainings(search))
    assert runs == ["10/seed-1", "10/seed-2", "22/seed-1", "22/seed-2"]
    assert all(len(finalist.standing.aucs) == 2 for finalist in finished.finalists)


def test_the_winner_is_the_best_on_val_and_ships_its_best_training(finished):
    aucs = [finalist.standing.auc for finalist in finished.finalists]
    assert aucs == sorted(aucs, reverse=True)
    assert finished.winner is finished.finalists[0]
    origin = finished.bundle.manifest.provenance["checkpoint"]
    assert origin["sha256"] == load_checkpoint(finished.winner.run).digest
    assert origin["architecture"] == SPACE.architecture(finished.winner.row.code)
    best = 1 + int(np.argmax(finished.winner.standing.aucs))
    assert finished.winner.run.name == f"seed-{best}"


def test_the_bundle_is_whole_and_answers_as_the_training_did(finished):
    bundle = Bundle.open(finished.bundle.path)
    assert bundle.digest == finished.bundle.digest
    split = finished.dataset.split("test")
    expected = predict(load_checkpoint(finished.winner.run), split)
    assert finished.tested.probabilities_NC == pytest.approx(expected, abs=1e-4)
    with Classifier.load(bundle.path) as classifier:
        assert classifier.infer(split.source(0)) == pytest.approx(expected[0], abs=1e-4)


def test_the_test_split_is_scored_once_for_the_winner(finished, search):
    assert finished.tested.looks == 1
    assert len(json.loads((search / "found/finals/test.json").read_text())["seen"]) == 1
    assert finished.tested.scores.split.name == "test"


def test_finalists_are_measured_for_real_in_turns(finished, search):
    kept = json.loads((search / "found/finals/latency.json").read_text())
    latencies = {key.split(":")[0]: facts["latency_ms"] for key, facts in kept.items()}
    assert {"10", "22"} < set(latencies)
    assert min(latencies.values()) > 0
    assert finished.winner.latency.latency_ms == latencies[finished.bundle.digest]


def test_json_and_text_hold_no_nan_and_name_the_winner(finished):
    facts = json.loads(json.dumps(finished.to_json(), allow_nan=False))
    assert facts["winner"] == finished.winner.row.code
    assert [c["architecture"] for c in facts["candidates"]] == ["00", "22", "11", "10", "20"]
    assert set(facts["data"]["splits"]) == {"train", "val", "test"}
    assert f"Winner: {facts['winner']}, FP32" in finished.to_text()


def test_what_was_finished_is_not_done_again(finished, copied):
    before = trainings(copied)
    again = finish_in(copied, "again.xopt")
    assert trainings(copied) == before
    assert again.bundle.digest == finished.bundle.digest
    assert again.tested.looks == 1
    assert [f.standing for f in again.finalists] == [f.standing for f in finished.finalists]


def test_a_training_lost_to_a_kill_is_done_again_and_alone(finished, copied):
    before = trainings(copied)
    (copied / "found/finals/runs/10/seed-2/checkpoint.safetensors").unlink()
    (copied / "found/finals/runs/22/seed-1/val.npz").write_bytes(b"torn")
    again = finish_in(copied, "lost.xopt")
    changed = {path.parent.name for path, time in trainings(copied).items() if before[path] != time}
    assert changed == {"seed-2"}
    # The same seed gives the same weights.
    assert again.bundle.digest == finished.bundle.digest


@pytest.mark.slow
def test_a_finalist_that_is_too_slow_when_measured_is_dropped_for_the_next(copied):
    # As if the largest network had been measured to be slow: what was measured before is believed.
    kept = copied / "found/finals/latency.json"
    latencies = json.loads(kept.read_text())
    (slow,) = [key for key in latencies if key.startswith("22:")]
    latencies[slow] |= {"measured_ms": 999.0, "latency_ms": 999.0}
    kept.write_text(json.dumps(latencies))
    again = finish_in(copied, "fast.xopt", max_latency_ms=200.0)
    assert {f.row.code: bool(f.dropped) for f in again.finalists} == {"22": True, "10": False, "00": False}
    assert again.winner.row.code in ("10", "00")
    assert again.finalists[-1].row.code == "22"
    assert again.finalists[-1].standing is None
    assert "dropped: 999 ms measured, allowed are 200 ms" in again.to_text()


@pytest.mark.slow
def test_a_limit_that_none_meets_is_a_gate_that_was_not_passed(copied):
    with pytest.raises(GateError, match="none of the 3 candidates is fast enough"):
        finish_in(copied, "never.xopt", max_latency_ms=1e-4)
    assert not (copied / "never.xopt").exists()


@pytest.mark.slow
def test_int8_ends_in_a_bundle_that_passed_its_gate(finished, copied):
    quantized = finish_in(copied, "int8.xopt", precision="INT8", max_auc_drop=1.0, calibration_size=32)
    manifest = Bundle.open(quantized.bundle.path).manifest
    assert manifest.precision == "INT8"
    assert manifest.gate["outcome"] == "passed"
    # Another bundle has now seen the test split, and that is said.
    assert quantized.tested.looks > finished.tested.looks
    # Other calibration images make another bundle.
    other = finish_in(copied, "other.xopt", precision="INT8", max_auc_drop=1.0, calibration_size=16)
    assert other.bundle.manifest.calibration["asked"] == 16


def test_a_bundle_in_the_way_is_refused_before_any_training(copied):
    before = trainings(copied)
    with pytest.raises(OutputError, match="exists already"):
        finish_in(copied, seeds=5)
    assert trainings(copied) == before


def test_a_search_is_finished_by_one_process_at_a_time(copied):
    with (
        SearchFolder(path=copied / "found/finals").locked(),
        pytest.raises(OutputError, match="at work in"),
    ):
        finish_in(copied, "second.xopt")


def test_a_search_without_a_whole_training_cannot_be_finished(tmp_path):
    (tmp_path / "found").mkdir()
    with pytest.raises(DataError, match="no candidate that was trained to the end"):
        finish_in(tmp_path, "none.xopt", rows=[row(1, "00", None)])


@pytest.mark.parametrize(
    ("pick", "latencies", "codes"),
    [
        ("best", (None, None, None), ["22", "10", "00"]),
        ("front", (None, None, None), ["22", "10", "00"]),
        ("front", (1.0, 2.0, 0.5), ["22", "10"]),
        ("front", (1.0, 0.2, 0.5), ["22"]),
    ],
)
def test_contenders_are_the_best_or_those_on_the_front(pick, latencies, codes):
    rows = [
        row(number, code, value, latency_ms=ms)
        for number, (code, value, ms) in enumerate(
            zip(("00", "22", "10"), (0.7, 0.9, 0.8), latencies, strict=True), 1
        )
    ]
    assert [candidate.code for candidate in contenders(rows, pick)] == codes
