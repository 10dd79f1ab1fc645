"""A real tuning of a small network, from its FP32 bundle and from its checkpoint."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import Dataset, open_source
from xopt.optimize.quantize.layer_sensitivity import rank_layers
from xopt.optimize.quantize.revert_layers import OUTPUT
from xopt.optimize.tune import Graph, TuneSettings, tune
from xopt.optimize.tune import bundles as bundles_of_tuning
from xopt.optimize.tune.bundles import BundleStore
from xopt.optimize.tune.source import open_source as open_network
from xopt.optimize.tune.splits import assign_roles
from xopt.runtime import Bundle, BundleError, Classifier, DataError, OutputError, UsageError

# An untrained network's AUC says nothing, and there are few patients: a drop of 1 is no gate at all.
QUICK = TuneSettings(
    max_auc_drop=1,
    engines=("openvino",),
    presets=("performance",),
    rounds=8,
    calibration_size=8,
    heatmaps=2,
    resamples=100,
    streams=(1, 2),
)
WORDS = (
    "--max-auc-drop 1 --engines openvino --presets performance --rounds 8 --calibration-size 8 --heatmaps 2 "
    "--resamples 100 --streams 1,2"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("tuned")


@pytest.fixture(scope="module")
def tuned(small, place):
    """The bundle, tuned by the command line in this process."""
    return tune(
        open_network(small.bundle),
        open_source(small.data),
        place / "out.xopt",
        settings=QUICK,
        say=lambda line: None,
    )


def by_name(facts):
    return {variant["name"]: variant for variant in facts["variants"]}


def test_the_chosen_variant_is_the_fastest_that_passed_and_is_written(tuned, place):
    facts = tuned.facts
    measured = [v for v in facts["variants"] if v["status"] == "measured"]
    assert facts["objective"]["outcome"] == "met"
    assert facts["chosen"] == min(measured, key=lambda v: v["latency_ms"]["p50"])["name"]
    written = Bundle.open(place / "out.xopt")
    assert written.digest == tuned.bundle.digest
    assert written.manifest.name == "out"
    assert written.manifest.provenance["tune"]["variant"] == facts["chosen"]
    assert written.manifest.provenance["report"]["split"] == "test"
    Classifier.load(place / "out.xopt", verify="full").close()


def test_every_variant_is_there_with_what_became_of_it(tuned):
    found = by_name(tuned.facts)
    assert set(found) == {
        f"OpenVINO {precision} {plan}"
        for precision in ("FP32", "BF16", "INT8")
        for plan in ("center", "five", "ten", "five-shared", "ten-shared")
    }
    assert tuned.facts["reference"] == "OpenVINO FP32 ten"
    for name in ("OpenVINO FP32 ten", "OpenVINO INT8 ten"):
        assert found[name]["status"] == "measured"
        assert found[name]["why"] is None
    for name in ("OpenVINO FP32 center", "OpenVINO INT8 ten-shared"):
        assert found[name]["status"] == "left_out"
        assert "need the checkpoint" in found[name]["why"]


def test_the_reference_is_held_against_itself_and_others_against_it(tuned):
    found = by_name(tuned.facts)
    reference, other = found["OpenVINO FP32 ten"], found["OpenVINO INT8 ten"]
    assert reference["speedup"] == 1
    assert reference["auc_gate"]["drop"] == reference["auc_gate"]["upper_one_sided"] == 0
    assert other["speedup"] == reference["latency_ms"]["p50"] / other["latency_ms"]["p50"]
    low, high = other["speedup_ci"]
    assert low <= other["speedup"] <= high
    assert other["auc_gate"]["drop"] == pytest.approx(reference["auc_gate"]["auc"] - other["auc_gate"]["auc"])
    assert reference["parity_max_abs"] == 0
    assert other["size_mb"] < reference["size_mb"] / 3


def test_files_a_second_are_measured_for_each_number_of_streams(tuned):
    for name in ("OpenVINO FP32 ten", "OpenVINO INT8 ten"):
        found = by_name(tuned.facts)[name]
        assert [one["streams"] for one in found["streams"]] == [1, 2]
        rates = [one["files_per_second"] for one in found["streams"]]
        assert found["end_to_end_images_per_second"] == max(rates)
        assert all(one["range"][0] <= one["files_per_second"] <= one["range"][1] for one in found["streams"])


def test_the_record_is_json_and_says_who_had_which_role(tuned, small):
    facts = json.loads(json.dumps(tuned.facts, allow_nan=False))
    source = open_source(small.data)
    roles = facts["roles"]
    assert [roles[role]["split"] for role in ("calibrate", "gate", "report")] == ["train", "val", "test"]
    assert roles["gate"]["digest"] == source.split("val").digest
    assert roles["calibrate"]["images"] == 8
    assert {finding["name"] for finding in facts["findings"]} == set(source.classes)
    for finding in facts["findings"]:
        counts = finding["chosen"]["confusion"]
        assert sum(counts.values()) == len(source.split("test"))
    assert sum(row["images"] for row in facts["reliability"]["chosen"]["bins"]) == len(
        source.split("test")
    ) * len(source.classes)
    assert facts["heatmaps"]["images"] == 2
    assert {"export", "quantize", "first race", "gate", "final race", "report"} <= set(facts["seconds"])


def test_harmful_layers_go_back_to_floating_point(tuned, small, place, monkeypatch):
    quick = partial(rank_layers, images=2, measurements=4)
    monkeypatch.setattr(bundles_of_tuning, "rank_layers", quick)
    source, dataset = open_network(small.bundle), open_source(small.data)
    bundles = BundleStore(
        source=source,
        dataset=dataset,
        settings=QUICK,
        splits=assign_roles(dataset, source, QUICK),
        folder=place / "out.xopt.tune",
    )
    graph = Graph(precision="INT8", crops="ten", preset="performance", layers_back=8)
    plain = Bundle.open(bundles.path(replace(graph, layers_back=0)))
    made = bundles.get(graph)
    kept = made.manifest.provenance["settings"]["keep_floating_point"]
    assert len(kept) == 8
    assert made.manifest.calibration == plain.manifest.calibration
    before, after = (eight_bit_layers(bundle) for bundle in (plain, made))
    assert before - after == {name for name in kept if not name.endswith(OUTPUT)}


def eight_bit_layers(bundle) -> set[str]:
    """The layers whose weights a bundle's graph has in 8 bits."""
    graph = bundle.read("model.xml").decode()
    return set(re.findall(r'name="DequantizeLinear_network\.(.+?)\.weight', graph))


def test_another_objective_that_nothing_meets_leaves_a_rejected_candidate(tuned, small, place, xopt):
    shutil.copytree(place / "out.xopt.tune", place / "strict.xopt.tune")
    done = xopt(
        *("tune", small.bundle, "--data", small.data, "--out", place / "strict.xopt"),
        *WORDS.replace("drop 1", "drop 0.01").split(),
        "--json",
    )
    assert done.code == 3
    assert not (place / "strict.xopt").exists()
    facts = json.loads(done.out)
    assert facts["objective"]["outcome"] == "not_met"
    assert facts["chosen"] is None
    assert facts["candidate"] in {row["name"] for row in facts["variants"]}
    rejected = Bundle.open(place / "strict.xopt.rejected")
    assert rejected.manifest.gate["outcome"] == "too_few"
    (line,) = [line for line in done.err.splitlines() if line.startswith("xopt:")]
    assert "variants passed the gate" in line
    assert "strict.xopt.rejected" in line
    # Two looks at the report split are told.
    assert any(sentence.startswith("2 objectives") for sentence in facts["method"])


@pytest.mark.slow
def test_where_nothing_is_fast_enough_the_fastest_is_named(tuned, small, place, xopt):
    shutil.copytree(place / "out.xopt.tune", place / "quick.xopt.tune")
    words = WORDS.replace("--max-auc-drop 1", "--max-latency-ms 0.01").split()
    done = xopt("tune", small.bundle, "--data", small.data, "--out", place / "quick.xopt", *words)
    assert done.code == 3
    assert "no variant is within 0.01 ms; the fastest, " in done.err
    assert (
        Bundle.open(place / "quick.xopt.rejected").manifest.provenance["tune"]["objective"]["kind"]
        == "best-auc"
    )


def test_other_settings_are_refused_in_one_line(tuned, small, place, xopt):
    shutil.copytree(place / "out.xopt.tune", place / "other.xopt.tune")
    words = WORDS.replace("rounds 8", "rounds 9").split()
    done = xopt("tune", small.bundle, "--data", small.data, "--out", place / "other.xopt", *words)
    assert done.code == 1
    assert "begun with settings.rounds 8, not 9" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow
def test_a_killed_tuning_goes_on_where_it_was(tuned, small, place):
    out, work = place / "killed.xopt", place / "killed.xopt.tune"
    shutil.copytree(place / "out.xopt.tune", work)
    facts = json.loads((work / "tune.json").read_text())
    (work / "tune.json").write_text(json.dumps({**facts, "kept": {}, "seconds": {}}))
    shutil.rmtree(work / "answers")
    words = ["tune", small.bundle, "--data", small.data, "--out", out, *WORDS.split()]
    command = [sys.executable, "-m", "xopt", *map(str, words), "--json", str(place / "killed.json")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 300
        while "first race" not in kept(work) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert not out.exists()
    raced = kept(work)["first race"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "going on with the tuning" in done.stderr
    assert json.loads((place / "killed.json").read_text())["resumed"] == 2
    assert kept(work)["first race"] == raced
    Bundle.open(out)


def kept(work):
    """What a work folder keeps right now."""
    return json.loads((work / "tune.json").read_text())["kept"]


@pytest.mark.slow
def test_a_checkpoint_is_held_against_pytorch(small, tmp_path):
    settings = replace(QUICK, crops=("center",), engines=("openvino", "onnxruntime"), presets=(), heatmaps=0)
    made = tune(
        open_network(small.run),
        open_source(small.data),
        tmp_path / "out.xopt",
        settings=settings,
        say=lambda line: None,
    )
    found = by_name(made.facts)
    reference = found["PyTorch eager FP32 ten"]
    assert made.facts["reference"] == reference["name"]
    assert reference["parity_max_abs"] < 1e-4
    both = [found[f"{engine} FP32 center"] for engine in ("OpenVINO", "ONNX Runtime")]
    assert both[0]["auc_gate"] == both[1]["auc_gate"]
    # Finalists alone are compared, and on a busy machine one of the two may be too slow to be one.
    parities = [variant["parity_max_abs"] for variant in both if variant["parity_max_abs"] is not None]
    assert parities
    assert max(parities) < 1e-4
    assert made.bundle.manifest.preprocessing.crops == "center"


def moved(dataset: Dataset, source: str, target: str) -> Dataset:
    """A dataset one of whose images stands in two splits."""
    splits = dict(dataset.splits)
    both = splits[target].images[:-1] + splits[source].images[:1]
    splits[target] = replace(splits[target], images=both)
    return replace(dataset, splits=splits)


@pytest.mark.parametrize(("source", "target"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_an_image_with_two_roles_is_refused(small, source, target):
    dataset = moved(open_source(small.data), source, target)
    with pytest.raises(DataError, match="never two of these"):
        assign_roles(dataset, open_network(small.bundle), QUICK)


def test_a_copy_under_another_name_is_found_by_its_pixels(small, tmp_path):
    dataset = open_source(small.data)
    val, test = dataset.splits["val"], dataset.splits["test"]
    shutil.copy(val.path(0), tmp_path / "copy.png")
    images, patients = ("copy.png", *test.images[1:]), ("somebody", *test.patients[1:])
    copied = replace(test, images=images, patients=patients, folders=(tmp_path, *test.folders))
    dataset = replace(dataset, splits={**dataset.splits, "test": copied})
    with pytest.raises(DataError, match=rf"under another name \({val.images[0]} is copy.png\)"):
        assign_roles(dataset, open_network(small.bundle), QUICK)


def test_a_bundle_that_was_fitted_to_the_gate_is_refused(tuned, small, place, tmp_path):
    dataset = open_source(small.data)
    chosen = Bundle.open(place / "out.xopt.tune" / "bundles" / "int8-performance-ten.xopt")
    calibrated = chosen.manifest.calibration["images"]
    train = dataset.splits["train"]
    gate = replace(train.select([train.images.index(name) for name in calibrated]), name="val")
    roles = assign_roles(dataset, open_network(small.bundle), QUICK)
    pixels = replace(roles.gate_pixels, split=gate)
    with pytest.raises(DataError, match="calibrated"):
        replace(roles, gate_pixels=pixels).check(chosen)


def test_a_patient_of_gate_and_report_is_refused(small):
    dataset = open_source(small.data)
    val, test = dataset.splits["val"], dataset.splits["test"]
    shared = replace(test, patients=(val.patients[0], *test.patients[1:]))
    dataset = replace(dataset, splits={**dataset.splits, "test": shared})
    with pytest.raises(DataError, match="split by patient"):
        assign_roles(dataset, open_network(small.bundle), QUICK)


@pytest.mark.parametrize("role", ["gate_split", "report_split"])
def test_the_training_split_has_no_other_role(small, role):
    with pytest.raises(UsageError, match="calibrates"):
        assign_roles(open_source(small.data), open_network(small.bundle), replace(QUICK, **{role: "train"}))


def test_an_int8_bundle_is_not_tuned(tuned, place):
    chosen = place / "out.xopt.tune" / "bundles" / "int8-performance-ten.xopt"
    with pytest.raises(BundleError, match="INT8 already"):
        open_network(chosen)


def test_nothing_is_overwritten_without_force(tuned, small, place):
    with pytest.raises(OutputError, match="exists already"):
        tune(
            open_network(small.bundle),
            open_source(small.data),
            place / "out.xopt",
            settings=QUICK,
            say=lambda line: None,
        )
