import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")

from xopt.optimize.export.export import golden_pictures
from xopt.optimize.quantize.network import read_onnx
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, quantize_model
from xopt.optimize.quantize.onnx_form import make_onnx_form
from xopt.runtime import Bundle
from xopt.runtime.backends.onnxruntime import OnnxRuntimeBackend

from .graphs import openvino

IMAGES = golden_pictures(72)


@pytest.fixture(scope="module")
def quantized(small):
    parent = Bundle.open(small.bundle)
    return quantize_model(read_onnx(parent), IMAGES, parent.manifest.preprocessing, QuantizeSettings())


def test_what_is_written_is_what_was_tried(quantized):
    theirs = openvino(quantized)
    made = make_onnx_form(quantized, theirs, IMAGES, tolerance=0.5)
    assert made.reason is None
    mine = OnnxRuntimeBackend(made.content)
    found = max(np.abs(mine.infer(image) - theirs.infer(image)).max() for image in IMAGES)
    assert made.max_difference == pytest.approx(found)
    assert made.to_json() == {"written": True, "max_difference": made.max_difference, "reason": None}


def test_other_answers_than_openvino_gives_are_not_written(quantized):
    made = make_onnx_form(quantized, openvino(quantized), IMAGES, tolerance=-1.0)
    assert made.content is None
    assert made.max_difference >= 0
    assert "differs from OpenVINO by" in made.reason
