import json
import os
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from xopt.benchmarks.comparison import BenchSettings, compare
from xopt.benchmarks.measurement import balanced_orders, evenly
from xopt.benchmarks.terminal import describe
from xopt.benchmarks.variants import Reference, list_variants, row_names
from xopt.datasets import open_source
from xopt.metrics.bootstrap import paired_auc_drop
from xopt.runtime import Bundle, BundleError, Classifier, UsageError, XoptError

from .made import made_comparison

DESIGN_KEYS = {
    "variant",
    "engine",
    "precision",
    "crops",
    "auc_mean",
    "auc_ci",
    "auc_drop",
    "auc_drop_ci",
    "latency_ms",
    "speedup",
    "images_per_second",
    "end_to_end_images_per_second",
    "size_mb",
    "peak_rss_mb",
    "cold_start_s",
}


@pytest.mark.parametrize("count", range(1, 9))
def test_every_variant_stands_everywhere_and_follows_every_other_equally_often(count):
    orders = balanced_orders(count)
    places = Counter((place, variant) for order in orders for place, variant in enumerate(order))
    pairs = Counter(pair for order in orders for pair in pairwise(order))
    assert len(places) == count * count
    assert len(set(places.values())) == 1
    assert len(pairs) == count * (count - 1)
    assert len(set(pairs.values())) <= 1


@pytest.mark.parametrize(("total", "wanted"), [(10, 3), (323, 50), (5, 5), (5, 9), (7, 1)])
def test_chosen_images_are_spread_evenly(total, wanted):
    chosen = evenly(total, wanted)
    assert len(chosen) == min(total, wanted)
    assert chosen == sorted(set(chosen))
    gaps = np.diff(chosen)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@pytest.fixture(scope="module")
def comparison(small):
    """A real run: PyTorch, ONNX Runtime and OpenVINO in processes of their own."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    return compare(
        [small.bundle, small.other],
        open_source(small.data),
        reference=Reference(path=str(small.checkpoint)),
        settings=BenchSettings(split="test", resamples=100, threads=1, file_rounds=2),
    )


def test_the_reference_stands_first_and_every_engine_has_its_row(comparison):
    rows = [(row.name, row.measured.variant.engine) for row in comparison.rows]
    assert rows == [
        ("PyTorch eager", "torch"),
        ("ONNX Runtime fp32", "onnxruntime"),
        ("OpenVINO fp32", "openvino"),
        ("OpenVINO int8", "openvino"),
    ]


def test_the_json_keeps_its_contract(comparison):
    facts = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert facts["images"] == len(comparison.split)
    assert {"cpu", "cores", "features", "libraries", "load_average", "fp32_peak_gmacs_per_s"} <= set(
        facts["machine"]
    )
    for row in facts["rows"]:
        assert set(row) >= DESIGN_KEYS
        latency = row["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        assert row["images_per_second"] == pytest.approx(1000 / latency["p50"])
        assert row["end_to_end_images_per_second"] > 0
        assert row["peak_rss_mb"] > 20
        assert row["cold_start_s"] > 0.05
    reference = facts["rows"][0]
    assert (reference["speedup"], reference["auc_drop"], reference["auc_drop_ci"]) == (1, 0, [0, 0])


def test_the_same_network_answers_alike_in_every_engine(comparison):
    reference, onnx, openvino, other = comparison.rows
    assert reference.parity == 0
    assert onnx.parity < 1e-5
    assert openvino.parity < 1e-5
    assert other.parity > 1e-3
    assert onnx.drop.drop == pytest.approx(0, abs=1e-3)


def test_answers_and_drops_come_from_the_measured_calls(comparison, small):
    split, row = comparison.split, comparison.rows[3]
    from xopt.runtime.images.image import prepare

    with Classifier.load(small.other) as classifier:
        preprocessing = classifier.manifest.preprocessing
        images = [prepare(split.path(i), preprocessing).image_HW for i in range(len(split))]
        expected = np.stack([classifier.infer(image_HW) for image_HW in images])
    assert np.array_equal(row.measured.probabilities, expected)
    reference = comparison.reference.measured.probabilities.astype(np.float64)
    drop = paired_auc_drop(
        split.labels_NC, reference, expected.astype(np.float64), split.patients, resamples=100
    )
    assert row.drop == drop


def test_work_is_counted_and_held_against_the_machines_peak(comparison):
    macs = {row.measured.macs for row in comparison.rows}
    assert len(macs) == 1
    row = comparison.rows[2]
    assert row.gmacs_per_s == pytest.approx(row.measured.macs / (row.latency.p50 / 1000) / 1e9)
    assert row.peak_share == pytest.approx(row.gmacs_per_s / comparison.peak_gmacs_per_s)


def test_the_text_fits_a_page_and_says_what_it_is_against():
    text = describe(made_comparison())
    table = text.split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 122
    assert "Drop and speed-up are against PyTorch eager" in text


def test_without_any_auc_there_is_still_a_table():
    comparison = made_comparison(auc=False)
    assert comparison.to_json()["rows"][1]["auc_drop"] is None
    assert "OpenVINO int8" in describe(comparison)


def test_without_a_checkpoint_the_first_bundle_is_the_reference(small):
    pytest.importorskip("onnxruntime")
    opened = [Bundle.open(small.other), Bundle.open(small.bundle)]
    names = [v.name for v in list_variants(opened, classes=opened[0].manifest.classes)]
    assert names == ["OpenVINO int8", "ONNX Runtime fp32", "OpenVINO fp32"]


def test_peers_run_the_same_checkpoint_compiled(small, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("xopt.benchmarks.torch_engine.which", lambda name: name)
    reference = Reference(path=str(small.checkpoint), peers=True, crops="five")
    opened = [Bundle.open(small.other)]
    rows = list_variants(opened, classes=opened[0].manifest.classes, reference=reference)
    assert [(v.name, v.precision, v.crops) for v in rows] == [
        ("PyTorch eager", "FP32", "five"),
        ("OpenVINO int8", "INT8", "ten"),
        ("torch.compile FP32", "FP32", "five"),
        ("torch.compile BF16", "BF16", "five"),
    ]


def test_bundles_of_the_same_name_are_told_apart(tmp_path):
    paths = [tmp_path / "a/x.xopt", tmp_path / "b/x.xopt", tmp_path / "b/y.xopt"]
    assert row_names(paths) == ["a/x", "b/x", "b/y"]
    with pytest.raises(UsageError, match="given twice"):
        row_names([paths[0], paths[0]])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": lambda c: c[::-1]}, "in another order"),
        ({"classes": lambda c: ("Other", *c[1:])}, r"answers for \d classes"),
    ],
)
def test_bundles_must_answer_what_the_data_asks(small, tmp_path, changes, said):
    whole = Bundle.open(small.other)
    classes = changes["classes"](whole.manifest.classes)
    from xopt.runtime.bundle.bundle import write_bundle

    files = {name: whole.read(name) for name in whole.manifest.files}
    write_bundle(
        tmp_path / "other.xopt",
        replace(whole.manifest, classes=classes, thresholds=dict.fromkeys(classes, 0.5)),
        files,
    )
    with pytest.raises(BundleError, match=said):
        compare([small.bundle, tmp_path / "other.xopt"], open_source(small.data))


@pytest.mark.parametrize(
    "changes",
    [{"images": 0}, {"threads": 0}, {"resamples": 1}, {"file_rounds": 0}],
    ids=["images", "threads", "resamples", "rounds"],
)
def test_settings_check_themselves(changes):
    with pytest.raises(ValueError, match="must be at least"):
        BenchSettings(**changes)


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_a_report(xopt, small, tmp_path):
    pytest.importorskip("matplotlib")
    report, plot, facts = tmp_path / "r.html", tmp_path / "p.svg", tmp_path / "b.json"
    words = ["bench", small.bundle, small.other, "--data", small.data, "--images", "12", "--resamples", "50"]
    done = xopt(*words, "--report", report, "--plot", plot, "--json", facts)
    assert done.code == 0, done.err
    assert "OpenVINO int8" in done.out
    assert "<h1>" in report.read_text()
    assert plot.read_text().startswith("<?xml")
    assert json.loads(facts.read_text())["images"] == 12
    again = xopt(*words, "--report", report)
    assert (again.code, "exists already" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--split", "nowhere"], 1, "no split 'nowhere'"),
        (["--peers"], 2, "add --reference CHECKPOINT"),
        (["--reference", "none.json"], 2, "no checkpoint at none.json"),
        (["--images", "0"], 2, "--images"),
    ],
)
def test_the_command_refuses_in_one_line(xopt, small, words, code, said):
    pytest.importorskip("torch")
    done = xopt("bench", small.bundle, "--data", small.data, *words)
    assert done.code == code
    assert said in done.err
    assert done.out == ""


def test_a_checkpoint_that_cannot_be_loaded_is_named(small, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(XoptError, match=r"PyTorch eager: .*broken\.json describes no checkpoint"):
        compare(
            [small.other],
            open_source(small.data),
            reference=Reference(path=str(tmp_path / "broken.json")),
            settings=BenchSettings(images=2),
        )


def test_a_reference_of_another_size_is_refused(small, tmp_path):
    pytest.importorskip("torch")
    facts = json.loads(small.checkpoint.read_text())
    facts["preprocessing"]["resize"]["size"] = [68, 68]
    (tmp_path / "smaller.json").write_text(json.dumps(facts))
    (tmp_path / facts["weights"]).symlink_to(small.checkpoint.with_name(facts["weights"]))
    with pytest.raises(BundleError, match=r"PyTorch eager takes 68 x 68 images"):
        compare(
            [small.other],
            open_source(small.data),
            reference=Reference(path=str(tmp_path / "smaller.json")),
            settings=BenchSettings(images=2),
        )


@pytest.mark.slow
@pytest.mark.shared
def test_the_exported_checkpoint_answers_like_pytorch_on_real_images(real):
    comparison = compare(
        [real.fp32],
        open_source(real.data),
        reference=Reference(path=str(real.checkpoint)),
        settings=BenchSettings(images=4, file_rounds=1, resamples=50),
    )
    assert all(row.parity < 1e-4 for row in comparison.rows)
    eager, *exported = comparison.rows
    assert eager.measured.macs == pytest.approx(2.833e9, rel=0.001)
    # Export may save work, as on a first layer that only ever sees grey, but never adds any.
    assert all(0.95 * eager.measured.macs < row.measured.macs <= eager.measured.macs for row in exported)


@pytest.mark.slow
def test_peers_compile_answer_and_leave_no_process(small):
    pytest.importorskip("torch")
    if which("g++") is None:
        pytest.skip("no C++ compiler here")
    comparison = compare(
        [small.other],
        open_source(small.data),
        reference=Reference(path=str(small.checkpoint), peers=True),
        settings=BenchSettings(images=4, resamples=10),
    )
    eager, _, compiled, bfloat16 = comparison.rows
    assert (eager.name, compiled.name, bfloat16.name) == (
        "PyTorch eager",
        "torch.compile FP32",
        "torch.compile BF16",
    )
    assert compiled.parity < 1e-5
    assert 1e-6 < bfloat16.parity < 0.05
    assert compiled.measured.macs == eager.measured.macs
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    assert children.split() == []
