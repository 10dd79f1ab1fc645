"""From a checkpoint to an FP32 bundle that answers like PyTorch."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from xopt.datasets import load_images, open_source  # noqa: E402
from xopt.datasets.phantoms import draw  # noqa: E402
from xopt.models.checkpoint import Checkpoint, load_checkpoint  # noqa: E402
from xopt.models.registry import ARCHITECTURES, build  # noqa: E402
from xopt.optimize.export import export, parity  # noqa: E402
from xopt.optimize.export.export import ExportSettings, bundle_name, export_checkpoint  # noqa: E402
from xopt.optimize.export.torch_reference import torch_probabilities  # noqa: E402
from xopt.runtime import Bundle, Classifier, Preprocessing  # noqa: E402
from xopt.runtime.errors import OutputError, UsageError  # noqa: E402

from ...embedding import NAMES, compare  # noqa: E402


def fresh(
    architecture: str, *, channels: int = 3, crops: str = "center", task: str = "multi-label"
) -> Checkpoint:
    """An untrained network whose answers differ between images."""
    torch.manual_seed(11)
    network = build(architecture, 3, channels).eval()
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_var.uniform_(0.5, 1.5)
                part.running_mean.uniform_(-0.1, 0.1)
    figures = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    return Checkpoint(
        architecture=architecture,
        task=task,
        classes=("a", "b", "c"),
        preprocessing=Preprocessing.square(72, 64, crops=crops, planes=channels, **figures),
        network=network,
        digest="0" * 64,
        source="fresh.safetensors",
        notes={},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "options", "plan"),
    [
        ("densenet121", {}, "ten"),
        ("efficientnet_b0", {"channels": 1}, "center"),
        ("mobilenet_v3_small", {"task": "multi-class"}, "five"),
        ("resnet18", {"channels": 1, "task": "multi-class"}, "center"),
        ("resnet50", {}, "five"),
        ("densenet121", {}, "ten-shared"),
        ("efficientnet_b0", {}, "ten-shared"),
        ("mobilenet_v3_small", {"channels": 1}, "ten-shared"),
        ("resnet18", {"task": "multi-class"}, "ten-shared"),
        ("resnet50", {}, "ten-shared"),
        ("small-cnn", {"channels": 1}, "center"),
        ("small-cnn", {}, "ten-shared"),
        ("small-cnn", {"task": "multi-class"}, "five-shared"),
    ],
)
def test_every_architecture_answers_like_pytorch_in_openvino_and_onnx_runtime(
    tmp_path, architecture, options, plan
):
    onnxruntime = pytest.importorskip("onnxruntime")
    checkpoint = fresh(architecture, **options)
    made = export_checkpoint(checkpoint, tmp_path / "b", settings=ExportSettings(crops=plan))
    assert made.parity.max_difference <= 1e-4
    images = draw(3, seed=8, size=72).images_NHW
    preprocessing = made.bundle.manifest.preprocessing
    wanted = np.stack([torch_probabilities(checkpoint, preprocessing, image) for image in images])
    session = onnxruntime.InferenceSession(made.bundle.read("model.onnx"), providers=["CPUExecutionProvider"])
    # Three images at once, though the graph was traced with two.
    np.testing.assert_allclose(session.run(None, {"image": images})[0], wanted, atol=1e-4)
    with Classifier.load(tmp_path / "b", verify="full") as classifier:
        for image, expected in zip(images, wanted, strict=True):
            np.testing.assert_allclose(classifier.infer(image), expected, atol=1e-4)


def test_all_architectures_are_among_those_tested():
    marks = test_every_architecture_answers_like_pytorch_in_openvino_and_onnx_runtime.pytestmark
    (cases,) = (mark.args[1] for mark in marks if mark.name == "parametrize")
    for plans in ({"center", "five", "ten"}, {"ten-shared"}):
        tested = [case[0] for case in cases if case[2] in plans]
        assert sorted(tested) == sorted(ARCHITECTURES)


def test_the_bundle_says_what_it_was_made_of(small):
    bundle, run = Bundle.open(small.bundle), load_checkpoint(small.run)
    manifest = bundle.manifest
    provenance = manifest.provenance
    assert manifest.precision == "FP32"
    assert manifest.name == "fp32"
    assert manifest.preprocessing == replace(run.preprocessing, crops="ten")
    assert manifest.classes == run.classes
    assert set(manifest.thresholds.values()) == {0.5}
    assert provenance["checkpoint"] == {
        "file": "checkpoint.safetensors",
        "sha256": run.digest,
        "architecture": "resnet18",
        "notes": {"trained": False},
    }
    assert provenance["parity"]["max_abs"] <= 1e-4
    assert provenance["parity"]["source"] == "phantoms"
    assert provenance["parity"]["split"] == "test"
    assert provenance["inference_precision"] == "f32"
    assert {"xopt", "openvino", "torch", "onnx"} <= set(provenance["versions"])
    assert set(manifest.files) == {"model.xml", "model.bin", "model.onnx", "golden.npz"}


def test_no_file_of_the_bundle_holds_a_path_of_this_machine(small, tmp_path_factory):
    for file in small.bundle.iterdir():
        content = file.read_bytes()
        for place in (str(tmp_path_factory.getbasetemp()), "site-packages", "/optimize/export/graph.py"):
            assert place.encode() not in content, f"{file.name} holds {place}"


@pytest.mark.slow
def test_the_same_checkpoint_is_exported_to_the_same_bundle(small, tmp_path):
    again = export_checkpoint(
        load_checkpoint(small.run),
        tmp_path / "elsewhere.xopt",
        settings=ExportSettings(name="fp32"),
        dataset=open_source(small.data),
    )
    first = Bundle.open(small.bundle)
    assert again.bundle.manifest.files == first.manifest.files
    assert again.bundle.digest == first.digest


def test_real_images_go_through_the_bundle_as_through_pytorch(small):
    checkpoint, manifest = load_checkpoint(small.run), Bundle.open(small.bundle).manifest
    images = load_images(open_source(small.data).split("val"), manifest.preprocessing)[:5]
    with Classifier.load(small.bundle) as classifier:
        answers = np.stack([classifier.infer(image) for image in images])
    wanted = np.stack([torch_probabilities(checkpoint, manifest.preprocessing, image) for image in images])
    np.testing.assert_allclose(answers, wanted, atol=1e-4)
    # Otherwise the test could not tell one image from another.
    assert np.ptp(answers, axis=0).max() > 1e-3


def test_a_graph_that_answers_otherwise_is_refused_and_leaves_nothing(small, tmp_path, monkeypatch):
    class Skewed(export.OpenVINOBackend):
        def infer(self, image_HW):
            return super().infer(image_HW) * np.float32(0.99)

    monkeypatch.setattr(export, "OpenVINOBackend", Skewed)
    monkeypatch.setattr(parity, "IMAGES", 2)
    with pytest.raises(OutputError, match=r"differs from PyTorch by .* was not written"):
        export_checkpoint(load_checkpoint(small.run), tmp_path / "b", settings=ExportSettings(crops="center"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_shared_plan_says_how_far_it_is_from_the_exact_one(small, tmp_path, xopt):
    dataset = open_source(small.data)
    done = xopt("export", small.run, "--out", tmp_path / "s", "--crops", "ten-shared", "--data", small.data)
    assert done.code == 0, done.err
    assert "probabilities differ from the exact ten-crop's by" in done.out
    bundle = Bundle.open(tmp_path / "s")
    images = parity.parity_images(dataset, bundle.manifest.preprocessing).images_NHW
    with Classifier.load(small.bundle) as exact, Classifier.load(tmp_path / "s") as shared:
        difference = np.abs([exact.infer(image) - shared.infer(image) for image in images])
    recorded = bundle.manifest.provenance["parity"]["exact"]
    assert recorded["plan"] == "ten"
    assert recorded["max_abs"] == pytest.approx(difference.max(), abs=1e-5)
    assert recorded["mean_abs"] == pytest.approx(difference.mean(), abs=1e-5)
    assert recorded["max_abs"] > 1e-4
    assert Bundle.open(small.bundle).manifest.provenance["parity"]["exact"] is None


def test_nothing_is_overwritten(small):
    before = Bundle.open(small.bundle).digest
    with pytest.raises(OutputError, match="exists already"):
        export_checkpoint(load_checkpoint(small.run), small.bundle)
    assert Bundle.open(small.bundle).digest == before


def test_an_unknown_crop_plan_is_refused():
    known = "center, five, ten, five-shared, ten-shared"
    with pytest.raises(UsageError, match=f"crops must be one of {known}, got 'seven'"):
        ExportSettings(crops="seven")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("chexnet-int8.xopt", "chexnet-int8"), ("plain", "plain"), ("a.xopt.old", "a.xopt.old")],
)
def test_a_bundle_is_named_by_its_folder(tmp_path, folder, name):
    assert bundle_name(tmp_path / folder) == name


@pytest.mark.parametrize(
    ("splits", "expected"),
    [(("train", "val", "test"), "test"), (("train", "val"), "val"), (("train",), "train")],
)
def test_parity_is_measured_on_the_test_split_where_there_is_one(small, splits, expected):
    whole = open_source(small.data)
    dataset = replace(whole, splits={name: whole.splits[name] for name in splits})
    images = parity.parity_images(dataset, Preprocessing.square(72, 64))
    assert images.split == expected
    assert len(images.images_NHW) == min(parity.IMAGES, len(whole.splits[expected]))


def test_the_command_exports_and_reports(small, tmp_path, xopt):
    out = tmp_path / "c.xopt"
    done = xopt("export", small.run, "--out", out, "--crops", "center", "--name", "mine", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    bundle = Bundle.open(out)
    assert facts["digest"] == bundle.digest
    assert facts["parity"]["source"] == "phantoms"
    assert facts["crops"] == "center"
    assert bundle.manifest.name == "mine"
    assert done.err == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("absent.json", "--out", "b"), 1, "no checkpoint at absent.json"),
        (("RUN", "--out", "b", "--crops", "six"), 2, "crops must be one of"),
        (("RUN", "--out", "b", "--arch", "resnet18"), 2, "leave --arch and --classes out"),
        (("RUN", "--out", "RUN"), 1, "exists already"),
        (("RUN", "--out", "b", "--data", "absent"), 1, "no data at absent"),
        (
            ("RUN/checkpoint.safetensors", "--out", "b", "--arch", "resnet19", "--classes", "nih14"),
            2,
            "resnet18",
        ),
    ],
)
def test_the_command_refuses_in_one_line(small, tmp_path, monkeypatch, xopt, words, code, said):
    monkeypatch.chdir(tmp_path)
    done = xopt("export", *(word.replace("RUN", str(small.run)) for word in words))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_cpp_and_c_programs_answer_like_python(small, programs, tmp_path, name):
    size = Bundle.open(small.bundle).manifest.preprocessing.size
    images = [np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8) for seed in range(3)]
    compare(programs.built / name, small.bundle, images, tmp_path)
