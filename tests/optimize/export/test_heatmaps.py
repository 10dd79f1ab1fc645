"""Heatmaps of exported and quantized bundles, from the image file to the overlay."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from PIL import Image

from xopt.datasets import open_source
from xopt.models.checkpoint import load_checkpoint
from xopt.optimize import QuantizeSettings, RejectedError, export_checkpoint, quantize_bundle
from xopt.optimize.export.export import ExportSettings
from xopt.runtime import Bundle, BundleError, Classifier, InputError
from xopt.runtime.backends.openvino import OpenVINOBackend, drop_maps
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.loading import LoadSettings, load_bundle
from xopt.runtime.heatmap import assemble


@pytest.fixture(scope="module")
def shared_plan(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("shared") / "shared.xopt"
    export_checkpoint(load_checkpoint(small.run), out, settings=ExportSettings(crops="ten-shared"))
    return out


@pytest.fixture(scope="module")
def int8(small, shared_plan, tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "int8.xopt"
    try:
        quantize_bundle(
            Bundle.open(shared_plan),
            open_source(small.data),
            out,
            settings=QuantizeSettings(calibration_size=20),
        )
    except RejectedError as rejected:
        # 22 images decide nothing about an AUC; the candidate's heatmaps are what is tested here.
        return rejected.result.bundle.path
    return out


@pytest.fixture
def image():
    return np.random.default_rng(7).integers(0, 256, (90, 120), dtype=np.uint8)


@pytest.mark.parametrize("plan", ["ten", "ten-shared"])
def test_the_mean_of_a_linear_head_s_map_is_its_logit(small, shared_plan, plan):
    loaded = load_bundle(small.bundle if plan == "ten" else shared_plan, LoadSettings())
    image = np.random.default_rng(3).integers(0, 256, (72, 72), dtype=np.uint8)
    maps_VCHW = loaded.maps(image)
    probabilities = loaded.backend.infer(image)
    if plan == "ten":
        mean = (1 / (1 + np.exp(-maps_VCHW.mean((2, 3))))).mean(0)
        np.testing.assert_allclose(mean, probabilities, atol=1e-5)
    assert maps_VCHW.shape == tuple(loaded.bundle.manifest.outputs[1].shape[1:])
    assert assemble(maps_VCHW[:, 0], loaded.bundle.manifest.preprocessing).shape == (72, 72)


def test_a_heatmap_has_the_size_of_the_image_that_was_given(small, image):
    with Classifier.load(small.bundle) as classifier:
        result = classifier.predict(image)
        heat = result.heatmap(classifier.manifest.classes[0])
    assert heat.shape == (90, 120)
    assert heat.dtype == np.float32
    assert (heat.min(), heat.max()) == (0, 1)


@pytest.mark.slow
def test_a_quantized_bundle_shows_about_the_same_places(small, shared_plan, int8):
    image = np.random.default_rng(9).integers(0, 256, (72, 72), dtype=np.uint8)
    image[40:64, 8:30] = 255
    with Classifier.load(shared_plan) as before, Classifier.load(int8) as after:
        one, other = before.predict(image), after.predict(image)
        agreement = [
            np.corrcoef(one.heatmap(name).ravel(), other.heatmap(name).ravel())[0, 1]
            for name in before.manifest.classes
        ]
    assert np.median(agreement) > 0.9


def test_nobody_pays_for_maps_who_did_not_ask(small):
    from xopt.optimize.export.openvino_ir import read_ir

    bundle = Bundle.open(small.bundle)
    model = read_ir(bundle.read("model.xml"), bundle.read("model.bin"))
    names = {operation.get_friendly_name() for operation in model.get_ordered_ops()}
    assert "fc/cells/WithoutBiases" in names
    drop_maps(model)
    assert [output.get_any_name() for output in model.outputs] == ["probabilities"]
    assert not any("/cells" in operation.get_friendly_name() for operation in model.get_ordered_ops())


def test_asking_for_a_heatmap_changes_no_answer(small, image):
    with Classifier.load(small.bundle) as classifier:
        first = classifier.predict(image)
        first.heatmap(classifier.manifest.classes[0])
        assert classifier.predict(image) == first


def test_all_heatmaps_of_a_result_cost_one_inference(small, image, monkeypatch):
    with Classifier.load(small.bundle) as classifier:
        result = classifier.predict(image)
        runs = []
        run = OpenVINOBackend.activation_maps
        monkeypatch.setattr(
            OpenVINOBackend, "activation_maps", lambda self, picture: runs.append(1) or run(self, picture)
        )
        maps = [result.heatmap(name) for name in classifier.manifest.classes]
    assert len(runs) == 1
    assert not np.array_equal(maps[0], maps[1])


def test_a_change_of_the_caller_s_image_does_not_reach_the_heatmap(small):
    image = np.random.default_rng(1).integers(0, 256, (72, 72), dtype=np.uint8)
    with Classifier.load(small.bundle) as classifier:
        name = classifier.manifest.classes[0]
        wanted = classifier.predict(image.copy()).heatmap(name)
        result = classifier.predict(image)
        image[:] = 0
        np.testing.assert_array_equal(result.heatmap(name), wanted)


def test_what_cannot_be_shown_is_refused_in_one_line(small, image):
    with Classifier.load(small.bundle) as classifier:
        result = classifier.predict(image)
        with pytest.raises(InputError, match="no class 'Cough'; the bundle answers for "):
            result.heatmap("Cough")
        copy = pickle.loads(pickle.dumps(result))
        assert copy == result
        with pytest.raises(InputError, match="has lost its image"):
            copy.heatmap(classifier.manifest.classes[0])
    with pytest.raises(InputError, match="closed"):
        result.heatmap(classifier.manifest.classes[0])


def test_a_bundle_without_maps_says_so(small, image, tmp_path):
    from xopt.optimize.export.openvino_ir import encode_ir, read_ir

    bundle = Bundle.open(small.bundle)
    model = read_ir(bundle.read("model.xml"), bundle.read("model.bin"))
    drop_maps(model)
    xml, weights = encode_ir(model)
    manifest = replace(bundle.manifest, outputs=bundle.manifest.outputs[:1], files={})
    files = {"model.xml": xml, "model.bin": weights, "golden.npz": bundle.read("golden.npz")}
    write_bundle(tmp_path / "old.xopt", manifest, files)
    with Classifier.load(tmp_path / "old.xopt", verify="full") as classifier:
        result = classifier.predict(image)
        with pytest.raises(BundleError, match="gives no activation maps"):
            result.heatmap(classifier.manifest.classes[0])


@pytest.mark.slow
def test_predict_writes_an_overlay_for_each_finding_or_the_likeliest_class(small, int8, tmp_path, xopt):
    folder, out = tmp_path / "images", tmp_path / "heat"
    folder.mkdir()
    random = np.random.default_rng(5)
    for number in range(3):
        pixels = random.integers(0, 256, (50 + number, 60), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    done = xopt("predict", int8, folder, "--heatmaps", out, "--out", tmp_path / "p.csv")
    assert done.code == 0, done.err
    with Classifier.load(int8) as classifier:
        results = [classifier.predict(folder / f"{number}.png") for number in range(3)]
    wanted = {
        f"{number}.png.{name.replace(' ', '-')}.png"
        for number, result in enumerate(results)
        for name in (result.findings or [max(result.probabilities, key=result.probabilities.__getitem__)])
    }
    assert {file.name for file in out.iterdir()} == wanted
    with Image.open(out / sorted(wanted)[-1]) as picture:
        assert picture.size == (60, 52)
        assert picture.mode == "RGB"
    again = xopt("predict", int8, folder, "--heatmaps", out, "--out", tmp_path / "q.csv")
    assert again.code == 1
    assert "exists already" in again.err
