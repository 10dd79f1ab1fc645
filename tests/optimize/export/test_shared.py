"""The whole way on a trained network and real X-rays, with one crop an image to keep it short."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import load_images, open_source
from xopt.metrics.scores import mean_auc
from xopt.models.checkpoint import load_checkpoint
from xopt.optimize import ExportSettings, QuantizeSettings, export_checkpoint, quantize_bundle
from xopt.runtime import Bundle, Classifier

from ...embedding import NAMES, compare

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_a_real_network_is_exported_exactly_and_quantized_within_the_default_margin(
    shared, tmp_path, programs
):
    source = open_source(shared / "data/nih-mini")
    checkpoint = load_checkpoint(shared / "data/checkpoints/densenet121-nih-mini.json")
    exported = export_checkpoint(
        checkpoint, tmp_path / "fp32.xopt", settings=ExportSettings(crops="center"), dataset=source
    )
    assert exported.parity.max_difference <= 1e-5
    assert exported.bundle.manifest.provenance["parity"]["source"] == "nih-mini"

    settings = QuantizeSettings(calibration_size=150)
    made = quantize_bundle(exported.bundle, source, tmp_path / "int8.xopt", settings=settings)
    assert made.gate.verdict.passed
    # The network's own card says 0.7365 for the test list; the validation list is another one.
    assert 0.65 < made.gate.reference_auc < 0.8
    assert made.peak_memory_mb < 3000

    split = source.split("test")
    images = load_images(split, exported.bundle.manifest.preprocessing)
    aucs = []
    for path in (tmp_path / "fp32.xopt", tmp_path / "int8.xopt"):
        with Classifier.load(path, verify="full") as classifier:
            aucs.append(mean_auc(split.labels_NC, np.stack([classifier.infer(image) for image in images])))
    Classifier.load(tmp_path / "int8.xopt", engine="onnxruntime", verify="full").close()
    assert made.onnx.max_difference <= 0.01
    assert aucs[0] == pytest.approx(0.7365, abs=0.002)
    assert aucs[0] - aucs[1] <= 0.005
    for path in (tmp_path / "fp32.xopt", tmp_path / "int8.xopt"):
        for name in NAMES:
            compare(programs.built / name, path, list(images[:2]), tmp_path)

    calibrated = set(Bundle.open(tmp_path / "int8.xopt").manifest.provenance["calibration"]["images"])
    scored = {*split.images, *source.split("val").images}
    assert not calibrated & scored
