"""The whole way on a trained network and real X-rays, with one crop an image to keep it short."""

import json

import numpy as np
import pytest

from xopt.datasets import load_images, open_source
from xopt.metrics.scores import mean_auc
from xopt.runtime import Bundle, Classifier

from .embedding import NAMES, compare

pytestmark = pytest.mark.shared


def test_the_network_is_exported_exactly_and_quantized_within_the_default_margin(real):
    exported, quantized = (Bundle.open(path).manifest for path in (real.fp32, real.int8))
    assert exported.provenance["parity"]["max_abs"] <= 1e-5
    assert exported.provenance["parity"]["source"] == "nih-mini"
    gate = quantized.gate
    assert gate["outcome"] == "passed"
    # The network's own card says 0.7365 for the test list; the validation list is another one.
    assert 0.65 < gate["auc_reference"] < 0.8
    assert quantized.provenance["peak_memory_mb"] < 3000
    assert quantized.provenance["onnx"]["max_difference"] <= 0.01
    source = open_source(real.data)
    scored = {*source.split("test").images, *source.split("val").images}
    assert not set(quantized.calibration["images"]) & scored


@pytest.mark.slow
def test_both_bundles_keep_the_auc_that_the_card_claims(real):
    split = open_source(real.data).split("test")
    images = load_images(split, Bundle.open(real.fp32).manifest.preprocessing)
    aucs = []
    for path in (real.fp32, real.int8):
        with Classifier.load(path, verify="full") as classifier:
            aucs.append(mean_auc(split.labels_NC, np.stack([classifier.infer(image) for image in images])))
    assert aucs[0] == pytest.approx(0.7365, abs=0.002)
    assert aucs[0] - aucs[1] <= 0.005


def test_onnx_runtime_and_the_c_and_cpp_programs_answer_alike(real, programs, tmp_path):
    split = open_source(real.data).split("test")
    images = load_images(split, Bundle.open(real.fp32).manifest.preprocessing)[:2]
    Classifier.load(real.int8, engine="onnxruntime", verify="full").close()
    for path in (real.fp32, real.int8):
        for name in NAMES:
            compare(programs.built / name, path, list(images), tmp_path)


def test_predictions_of_the_released_files_are_scored_and_compared(real, tmp_path, xopt):
    originals = real.data / "originals"
    for path in (real.fp32, real.int8):
        done = xopt("predict", path, originals, "--out", tmp_path / f"{path.stem}.csv")
        assert done.code == 0, done.err
    words = (tmp_path / "int8.csv", "--data", real.data, "--split", "originals")
    done = xopt("score", *words, "--compare", tmp_path / "fp32.csv", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["images"] == 40
    assert abs(facts["compare"]["mean_auc_drop"]) < 0.05
