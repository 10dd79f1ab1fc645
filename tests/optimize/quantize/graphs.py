"""What tests of quantizing ask graphs."""

import numpy as np

from xopt.datasets.phantoms import draw
from xopt.optimize.export.openvino_ir import encode_ir, from_onnx
from xopt.runtime.backends.openvino import OpenVINOBackend


def openvino(model) -> OpenVINOBackend:
    """An ONNX graph, on OpenVINO."""
    return OpenVINOBackend(*encode_ir(from_onnx(model)))


def answers(model, images=None) -> np.ndarray:
    """Probabilities (N, C) of an ONNX graph on OpenVINO; of three phantoms where no images are given."""
    backend = openvino(model)
    pictures = draw(3, seed=60, size=72).images_NHW if images is None else images
    return np.stack([backend.infer(image) for image in pictures])
