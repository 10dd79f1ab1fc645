"""Searched networks go the whole way: checkpoint, FP32 bundle, INT8 bundle."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import open_source, phantoms  # noqa: E402
from xopt.datasets.phantoms import draw  # noqa: E402
from xopt.models.backbone import split_network  # noqa: E402
from xopt.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint  # noqa: E402
from xopt.models.registry import build  # noqa: E402
from xopt.optimize.export.export import ExportSettings, export_checkpoint  # noqa: E402
from xopt.optimize.export.graph import InferenceGraph  # noqa: E402
from xopt.optimize.export.torch_reference import torch_probabilities  # noqa: E402
from xopt.optimize.gate.gate import GateSettings  # noqa: E402
from xopt.optimize.quantize.int8 import quantize_bundle  # noqa: E402
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings  # noqa: E402
from xopt.runtime import Classifier, Preprocessing  # noqa: E402


def awake(architecture, classes, channels):
    """An untrained network whose answers differ between images."""
    torch.manual_seed(2)
    network = build(architecture, classes, channels).eval()
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.uniform_(-0.1, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        network.classifier.weight.mul_(4)
    return network


@pytest.mark.slow
def test_a_macro_network_becomes_an_int8_bundle_that_answers_alike(tmp_path):
    architecture = "macro-1202-stem8-depths2.2-widths16.24-head48"
    phantoms.write(tmp_path / "data", count=400, seed=5, size=40)
    dataset = open_source(tmp_path / "data")
    (tmp_path / "run").mkdir()
    save_checkpoint(
        tmp_path / "run",
        awake(architecture, len(dataset.classes), 1),
        architecture=architecture,
        classes=dataset.classes,
        preprocessing=Preprocessing.square(32, 32, planes=1, mean=(0.5,), std=(0.25,)),
    )
    checkpoint = load_checkpoint(tmp_path / "run")
    plain = export_checkpoint(checkpoint, tmp_path / "f", settings=ExportSettings(crops="center"))
    assert plain.parity.max_difference <= 1e-4
    assert plain.bundle.manifest.provenance["checkpoint"]["architecture"] == architecture
    made = quantize_bundle(
        plain.bundle,
        dataset,
        tmp_path / "q",
        settings=QuantizeSettings(calibration_size=40),
        gate=GateSettings(max_auc_drop=0.5, resamples=100),
    )
    # Untrained, it tells bright images from dark ones better than one chest from another.
    images = draw(6, seed=8, size=32).images_NHW // np.array([1, 2, 4, 1, 2, 4], np.uint8)[:, None, None]
    wanted = np.stack(
        [torch_probabilities(checkpoint, plain.bundle.manifest.preprocessing, i) for i in images]
    )
    assert wanted.std(0).max() > 0.02
    with Classifier.load(made.bundle.path) as classifier:
        answers = np.stack([classifier.infer(image) for image in images])
    assert 0 < np.abs(answers - wanted).max() < 0.1


def test_the_shared_plan_counts_in_a_searched_networks_own_stride():
    architecture = "macro-1202-stem8-depths2.2-widths16.24-head48"
    network = awake(architecture, 3, 3)
    preprocessing = Preprocessing.square(44, 32, crops="ten-shared", mean=(0.5,) * 3, std=(0.25,) * 3)
    checkpoint = Checkpoint(
        architecture=architecture,
        task="multi-label",
        classes=("a", "b", "c"),
        preprocessing=preprocessing,
        network=network,
        digest="",
        source="",
        notes={},
    )
    parts = split_network(architecture, network)
    assert parts.stride == 4
    graph = InferenceGraph(network, parts, preprocessing, "multi-label").eval()
    images = draw(2, seed=3, size=44).images_NHW
    with torch.inference_mode():
        answers = graph(torch.from_numpy(images))[0].numpy()
    wanted = np.stack([torch_probabilities(checkpoint, preprocessing, image) for image in images])
    np.testing.assert_allclose(answers, wanted, atol=1e-5)
