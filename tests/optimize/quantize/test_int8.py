"""From an FP32 bundle to an INT8 one that passed the gate, or to a rejected one with the reason."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import open_source
from xopt.optimize import GateSettings, QuantizeSettings, RejectedError, quantize_bundle
from xopt.optimize.quantize import int8
from xopt.runtime import Bundle, BundleError, Classifier, DataError, OutputError, UsageError
from xopt.runtime.doctor import cpu_features

QUICK = QuantizeSettings(calibration_size=12)


@pytest.fixture(scope="module")
def parent(small):
    return Bundle.open(small.bundle)


@pytest.fixture(scope="module")
def made(small, parent, tmp_path_factory):
    """An INT8 bundle; an untrained network's AUC says nothing, so its gate stands wide open."""
    out = tmp_path_factory.mktemp("made") / "int8.xopt"
    gate = GateSettings(max_auc_drop=1, resamples=100)
    with pytest.MonkeyPatch.context() as patch:
        # Its large head amplifies what two engines round differently.
        patch.setattr(int8, "GOLDEN_TOLERANCE", 0.2)
        return quantize_bundle(parent, open_source(small.data), out, settings=QUICK, gate=gate)


@pytest.fixture
def data(small, tmp_path):
    """The lists of the synthetic data, to be changed; without images."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for file in small.data.glob("*.txt"):
        shutil.copy(file, folder)
    return folder


def test_the_bundle_is_what_was_written_and_answers_on_its_golden_images(made):
    bundle = Bundle.open(made.bundle.path)
    assert bundle.digest == made.bundle.digest
    assert bundle.manifest.precision == "INT8"
    assert bundle.manifest.name == "int8"
    assert bundle.has("model.onnx")
    for engine in ("openvino", "onnxruntime"):
        Classifier.load(bundle.path, engine=engine, verify="full").close()
    record = bundle.manifest.provenance["onnx"]
    assert record == {"written": True, "max_difference": made.onnx.max_difference, "reason": None}


def test_it_keeps_what_the_parent_says_of_itself(made, parent):
    mine, theirs = made.bundle.manifest, parent.manifest
    for key in ("task", "classes", "thresholds", "preprocessing", "inputs", "outputs", "intended_use"):
        assert getattr(mine, key) == getattr(theirs, key)
    assert mine.provenance["parent"] == {"name": "fp32", "digest": parent.digest}
    assert mine.provenance["checkpoint"] == theirs.provenance["checkpoint"]


def test_it_records_which_images_calibrated_and_that_none_gates_or_tests(made, small):
    source = open_source(small.data)
    record = made.bundle.manifest.calibration
    assert (record["data"], record["split"], record["size"]) == (source.name, "train", 12)
    assert record["digest"] == made.calibration.digest
    train = source.split("train")
    patient_of = dict(zip(train.images, train.patients, strict=True))
    calibrated = {patient_of[name] for name in record["images"]}
    assert len(record["images"]) == 12
    for name in ("val", "test"):
        assert not calibrated & set(source.split(name).patients)


def test_it_records_the_gate_the_settings_and_the_cost(made, small):
    manifest = made.bundle.manifest
    provenance, gate, calibration = manifest.provenance, manifest.gate, manifest.calibration
    split = open_source(small.data).split("val")
    assert gate["outcome"] == "passed"
    assert gate["digest"] == split.digest
    assert gate["images"] == len(split)
    assert manifest.instruction_sets == cpu_features()
    assert provenance["settings"] == QUICK.to_json()
    assert provenance["accuracy_aware"] is None
    assert len(gate["pixels"].split()) == len(split)
    assert len(calibration["pixels"].split()) == len(calibration["images"])
    heatmaps = gate["heatmaps"]
    assert heatmaps["images"] == (split.labels_NC == 1).any(axis=1).sum()
    assert heatmaps["maps"] == (split.labels_NC == 1).sum()
    assert heatmaps["correlation"]["median"] > 0.9
    assert set(provenance["seconds"]) == {"calibration_images", "quantize", "gate", "heatmaps", "onnx"}
    assert provenance["peak_memory_mb"] > 100
    assert {"xopt", "nncf", "openvino", "onnx", "onnxruntime"} <= set(provenance["versions"])


def test_what_the_gate_measured_is_what_the_bundles_answer(made, small, parent):
    from xopt.datasets import load_images
    from xopt.metrics.scores import mean_auc

    split = open_source(small.data).split("val")
    images = load_images(split, parent.manifest.preprocessing)
    for path, recorded in (
        (small.bundle, made.gate.reference_auc),
        (made.bundle.path, made.gate.candidate_auc),
    ):
        with Classifier.load(path) as classifier:
            answers = np.stack([classifier.infer(image) for image in images])
        assert mean_auc(split.labels_NC, answers) == pytest.approx(recorded, abs=1e-12)


def test_a_candidate_that_fails_is_kept_apart_with_the_reason(small, parent, tmp_path):
    out = tmp_path / "int8.xopt"
    with pytest.raises(RejectedError, match=r"was not written: .* is kept at .*int8\.xopt\.rejected"):
        quantize_bundle(
            parent,
            open_source(small.data),
            out,
            settings=QUICK,
            gate=GateSettings(max_auc_drop=-1, resamples=100),
        )
    assert not out.exists()
    kept = Bundle.open(tmp_path / "int8.xopt.rejected")
    assert kept.manifest.gate["outcome"] == "failed"
    assert "more images would not help" in kept.manifest.gate["reason"]


@pytest.mark.slow
def test_label_columns_are_matched_to_the_bundle_by_name(made, small, parent, data, tmp_path):
    classes = (data / "classes.txt").read_text().split("\n")
    names = [name for name in classes if name]
    (data / "classes.txt").write_text("\n".join(reversed(names)) + "\n")
    for file in data.glob("*_list.txt"):
        rows = [line.split() for line in file.read_text().splitlines()]
        file.write_text("".join(f"{row[0]} {' '.join(reversed(row[1:]))}\n" for row in rows))
    (data / "images").symlink_to(next(p for p in (small.data / "images", small.data) if p.is_dir()))
    again = quantize_bundle(
        parent,
        open_source(data),
        tmp_path / "b",
        settings=QUICK,
        gate=GateSettings(max_auc_drop=1, resamples=100),
    )
    assert again.gate.reference_auc == made.gate.reference_auc


def rename(data, old: str, new: str) -> None:
    """Give a class another name."""
    file = data / "classes.txt"
    file.write_text(file.read_text().replace(old, new))


def shorten(data, name: str) -> None:
    """Leave a split with images of one kind only."""
    file = data / f"{name}_list.txt"
    rows = [line.split() for line in file.read_text().splitlines()]
    file.write_text("".join(f"{row[0]} {' '.join('0' for _ in row[1:])}\n" for row in rows))


@pytest.mark.parametrize(
    ("change", "gate", "error", "said"),
    [
        (lambda d: (d / "train_list.txt").unlink(), {}, DataError, "has no split 'train' to calibrate on"),
        (lambda d: (d / "val_list.txt").unlink(), {}, DataError, "no split 'val'"),
        (lambda d: shorten(d, "val"), {}, DataError, "no class with both positive and negative"),
        (lambda d: None, {"split": "train"}, UsageError, "the train split calibrates, so it cannot gate"),
        (lambda d: None, {}, DataError, r"no image .* of split train"),
        (
            lambda d: (d / "classes.txt").write_text(
                (d / "classes.txt").read_text().replace("Nodule", "Knot")
            ),
            {},
            DataError,
            r"labelled for other classes than the bundle: it lacks \['Nodule'\] and has \['Knot'\] beyond",
        ),
    ],
)
def test_data_that_cannot_calibrate_or_gate_is_refused_before_the_work(
    parent, data, tmp_path, change, gate, error, said
):
    change(data)
    with pytest.raises(error, match=said):
        quantize_bundle(parent, open_source(data), tmp_path / "b", settings=QUICK, gate=GateSettings(**gate))
    assert not (tmp_path / "b").exists()


def test_an_int8_bundle_is_not_quantized_again(made, small, tmp_path):
    with pytest.raises(BundleError, match="is INT8 already"):
        quantize_bundle(made.bundle, open_source(small.data), tmp_path / "b")


@pytest.mark.parametrize("taken", ["b", "b.rejected"])
def test_both_places_are_checked_before_the_work(small, parent, tmp_path, taken):
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "file").write_text("kept")
    with pytest.raises(OutputError, match="exists already"):
        quantize_bundle(parent, open_source(small.data), tmp_path / "b")
    assert (tmp_path / taken / "file").read_text() == "kept"


def test_a_bundle_is_not_quantized_onto_itself(small, parent):
    with pytest.raises(UsageError, match="is the bundle to be quantized"):
        quantize_bundle(parent, open_source(small.data), small.bundle, force=True)


@pytest.mark.slow
def test_the_command_writes_reports_and_exits_0(small, tmp_path, xopt):
    out = tmp_path / "int8.xopt"
    words = ("--calibration-size", 4, "--max-auc-drop", 1, "--heatmap-images", 0, "--json")
    done = xopt("quantize", small.bundle, "--data", small.data, "--out", out, *words)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["gate"]["heatmaps"] is None
    assert facts["passed"] is True
    assert facts["calibration"]["size"] == 4
    assert facts["size_mb"] < 0.3 * facts["parent_size_mb"]
    assert facts["digest"] == Bundle.open(out).digest
    assert done.err == ""


@pytest.mark.slow
def test_the_command_says_and_records_how_it_calibrated(small, tmp_path, xopt):
    out, facts = tmp_path / "int8.xopt", tmp_path / "facts.json"
    choices = {
        "sampling": "farthest",
        "preset": "mixed",
        "activation_range": "mean",
        "bias_correction": "none",
    }
    words = [word for name, value in choices.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = xopt(
        *("quantize", small.bundle, "--data", small.data, "--out", out, "--calibration-size", 4, *words),
        *("--smooth", 0.5, "--max-auc-drop", 1, "--json", facts),
    )
    assert done.code == 0, done.err
    manifest = Bundle.open(out).manifest
    provenance = manifest.provenance
    assert {**choices, "smooth": 0.5}.items() <= provenance["settings"].items()
    assert manifest.calibration["sampling"] == "farthest"
    candidates = manifest.calibration["candidates"]
    assert candidates == len(open_source(small.data).split("train"))
    assert f"4 images of phantoms (train), the farthest points among {candidates}, none of" in done.out
    assert json.loads(facts.read_text())["settings"] == provenance["settings"]
    assert Bundle.open(out).has("model.onnx") is provenance["onnx"]["written"]


@pytest.mark.slow
def test_the_command_exits_3_and_says_why(small, tmp_path, xopt):
    out = tmp_path / "int8.xopt"
    words = ("--calibration-size", 4, "--max-auc-drop", -1, "--json")
    done = xopt("quantize", small.bundle, "--data", small.data, "--out", out, *words)
    assert done.code == 3
    facts = json.loads(done.out)
    assert facts["gate"]["outcome"] == "failed"
    assert facts["accuracy_aware"]["returned"] == []
    assert "a margin of -1 asks for more than FP32 has" in done.err
    assert done.err.startswith(f"xopt: {out} was not written: the drop itself is too large")
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.xopt.rejected"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("BUNDLE", "--data", "absent", "--out", "b"), 1, "no data at absent"),
        (("absent", "--data", "DATA", "--out", "b"), 1, "no bundle at absent"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--accuracy-aware", "--plain"), 2, "give one of them"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--split", "gate"), 1, "no split 'gate'"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--keep-float", "fcc"), 2, "did you mean fc"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--preset", "slow"), 2, "preset must be one of"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--sampling", "best"), 2, "sampling must be one of"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--activation-range", "x"), 2, "minmax, mean, histogram"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--bias-correction", "x"), 2, "none, fast, accurate"),
        (("BUNDLE", "--data", "DATA", "--out", "b", "--smooth", "2"), 2, "smooth must be in 0..1, got 2.0"),
        (("BUNDLE", "--data", "DATA", "--out", "no/b"), 1, "no folder no"),
    ],
)
def test_the_command_refuses_in_one_line(small, tmp_path, monkeypatch, xopt, words, code, said):
    monkeypatch.chdir(tmp_path)
    known = {"BUNDLE": small.bundle, "DATA": small.data}
    done = xopt("quantize", *(known.get(word, word) for word in words))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
