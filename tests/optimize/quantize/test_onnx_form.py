import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")

from xopt.optimize.export.export import golden_pictures
from xopt.optimize.export.openvino_ir import encode_ir, read_ir
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.quantize.onnx_form import make_onnx_form
from xopt.runtime import Bundle
from xopt.runtime.backends.onnxruntime import OnnxRuntimeBackend
from xopt.runtime.backends.openvino import OpenVINOBackend
from xopt.runtime.bundle.bundle import write_bundle


@pytest.fixture(scope="module")
def parent(small):
    return Bundle.open(small.bundle)


@pytest.fixture(scope="module")
def candidate(parent):
    """The quantized graph's files."""
    preprocessing = parent.manifest.preprocessing
    model = read_ir(parent.read("model.xml"), parent.read("model.bin"))
    images = golden_pictures(preprocessing.size)
    return encode_ir(quantize_model(model, images, preprocessing, QuantizeSettings()))


def form(parent, candidate, tolerance):
    images = golden_pictures(parent.manifest.preprocessing.size)
    return make_onnx_form(parent, *candidate, OpenVINOBackend(*candidate), images, tolerance=tolerance)


def test_what_is_written_is_what_was_tried(parent, candidate):
    made = form(parent, candidate, 0.5)
    assert made.reason is None
    images = golden_pictures(parent.manifest.preprocessing.size)
    mine, theirs = OnnxRuntimeBackend(made.content), OpenVINOBackend(*candidate)
    found = max(np.abs(mine.infer(image) - theirs.infer(image)).max() for image in images)
    assert made.max_difference == pytest.approx(found)
    assert made.to_json() == {"written": True, "max_difference": made.max_difference, "reason": None}


def test_other_answers_than_openvino_gives_are_not_written(parent, candidate):
    made = form(parent, candidate, -1.0)
    assert made.content is None
    assert made.max_difference >= 0
    assert "differs from OpenVINO by" in made.reason


def test_a_parent_without_onnx_gives_none_and_the_reason(parent, candidate, tmp_path):
    names = ("model.xml", "model.bin", "golden.npz")
    lone = write_bundle(tmp_path / "lone.xopt", parent.manifest, {name: parent.read(name) for name in names})
    made = form(lone, candidate, 0.5)
    assert (made.content, made.reason) == (None, "lone.xopt holds no model.onnx")


def test_a_graph_that_cannot_be_carried_over_gives_none_and_the_reason(parent, candidate, tmp_path):
    names = ("model.xml", "model.bin", "golden.npz")
    renamed = parent.read("model.onnx").replace(b"layer1.0.conv1", b"layer1.0.conv9")
    files = {**{name: parent.read(name) for name in names}, "model.onnx": renamed}
    made = form(write_bundle(tmp_path / "other.xopt", parent.manifest, files), candidate, 0.5)
    assert made.content is None
    assert "no layer layer1.0.conv1" in made.reason
