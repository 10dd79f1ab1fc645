"""Operating points end up in the bundle, and probabilities at a temperature in both of its graphs."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import load_images, open_source
from xopt.optimize.gate.temperature import apply_temperature
from xopt.optimize.gate.thresholds import ThresholdSettings, describe, set_thresholds
from xopt.runtime import Bundle, Classifier, UsageError
from xopt.runtime.bundle.loading import verify


@pytest.fixture(scope="module")
def warm(small, tmp_path_factory):
    """The small bundle with thresholds and a temperature."""
    out = tmp_path_factory.mktemp("thresholds") / "warm.xopt"
    settings = ThresholdSettings(rule="sensitivity", target=0.8, temperature=True)
    return set_thresholds(Bundle.open(small.bundle), open_source(small.data), out, settings=settings)


def answers(bundle, images, engine="openvino"):
    with Classifier.load(bundle, engine=engine) as classifier:
        return np.stack([classifier.infer(image) for image in images])


def test_thresholds_reach_their_target_on_the_images_that_chose(small, warm):
    split = open_source(small.data).split("val")
    images = load_images(split, warm.bundle.manifest.preprocessing)
    found = answers(warm.bundle.path, images)
    for c, name in enumerate(warm.bundle.manifest.classes):
        positive = split.labels_NC[:, c] == 1
        called = found[:, c] >= warm.bundle.manifest.thresholds[name]
        assert called[positive].mean() >= 0.8
        assert called[positive].mean() == pytest.approx(warm.points[name].sensitivity)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_both_graphs_answer_at_the_temperature(small, warm, engine):
    assert warm.temperature > 1.2, "the small network's answers are meant to be too sure"
    manifest = warm.bundle.manifest
    images = load_images(open_source(small.data).split("test"), manifest.preprocessing)[:5]
    wanted = apply_temperature(answers(small.bundle, images, engine), warm.temperature)
    assert answers(warm.bundle.path, images, engine) == pytest.approx(wanted, abs=1e-5)


def test_the_bundle_still_verifies_and_shows_heatmaps(warm):
    assert verify(warm.bundle.path).parity.holds
    image = np.random.default_rng(0).integers(0, 256, (72, 72), dtype=np.uint8)
    with Classifier.load(warm.bundle.path) as classifier:
        result = classifier.predict(image)
        assert result.heatmap(classifier.manifest.classes[0]).shape == (72, 72)
        named = {c for c, p in result.probabilities.items() if p >= classifier.manifest.thresholds[c]}
    assert set(result.findings) == named


def test_the_manifest_says_how_thresholds_were_chosen(small, warm):
    facts = warm.bundle.manifest.provenance["operating_points"]
    split = open_source(small.data).split("val")
    assert (facts["rule"], facts["target"], facts["split"]) == ("sensitivity", 0.8, "val")
    assert (facts["digest"], facts["images"]) == (split.digest, len(split))
    assert facts["after"]["negative_log_likelihood"] < facts["before"]["negative_log_likelihood"]
    assert facts["temperature"] == warm.temperature
    assert "calibration error" in describe(warm)


def test_without_a_temperature_the_graphs_stay_as_they_are(small, tmp_path, xopt):
    out = tmp_path / "b.xopt"
    done = xopt("thresholds", small.bundle, "--data", small.data, "--out", out, "--json")
    facts = json.loads(done.out)
    before, after = Bundle.open(small.bundle).manifest, Bundle.open(out).manifest
    assert after.files == before.files
    assert facts["temperature"] is None
    assert set(after.thresholds.values()) != {0.5}
    assert after.thresholds == {name: point["threshold"] for name, point in facts["classes"].items()}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--rule", "best"], 2, "--rule must be one of youden, sensitivity, specificity, got 'best'"),
        (["--target", "1.5"], 2, "--target must be in (0, 1], got 1.5"),
        (["--split", "train"], 2, "the network has seen the train split"),
        (["--split", "other"], 1, "no split 'other'"),
    ],
)
def test_the_command_refuses_in_one_line(small, tmp_path, xopt, words, code, said):
    done = xopt("thresholds", small.bundle, "--data", small.data, "--out", tmp_path / "b", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not (tmp_path / "b").exists()


def test_a_bundle_is_not_written_over_itself(small):
    with pytest.raises(UsageError, match="choose another --out"):
        set_thresholds(Bundle.open(small.bundle), open_source(small.data), small.bundle, force=True)
