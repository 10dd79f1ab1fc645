"""A small bundle made with OpenVINO alone: the runtime is tested as a device has it, without torch."""

from pathlib import Path

import numpy as np
import pytest

from xopt.runtime.backends.openvino import OpenVINOBackend, import_openvino
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.golden import encode_golden
from xopt.runtime.bundle.manifest import Manifest, Port
from xopt.runtime.images.preprocessing import Preprocessing

from .backends.small_onnx import onnx_graph, small_weights

SIZE = 32
CLASSES = ("Bright", "Left", "Top")


def small_ir(folder: Path, *, last: str = "sigmoid") -> tuple[bytes, bytes]:
    """An IR that answers with three probabilities: how bright, how far to the left, how far to the top."""
    ov = import_openvino()
    from openvino import opset13 as op

    image = op.parameter([1, SIZE, SIZE], np.uint8, name="image")
    grey = op.divide(op.convert(image, "f32"), np.float32(255))
    ramp = np.linspace(1, -1, SIZE, dtype=np.float32)
    weights = np.stack([np.ones((SIZE, SIZE)), np.tile(ramp, (SIZE, 1)), np.tile(ramp[:, None], (1, SIZE))])
    flat = op.reshape(grey, np.array([1, SIZE * SIZE], np.int64), special_zero=False)
    scores = op.matmul(flat, op.constant(weights.reshape(3, -1).T.astype(np.float32) / SIZE), False, False)
    answer = getattr(op, last)(scores)
    answer.output(0).set_names({"probabilities"})
    image.output(0).set_names({"image"})
    ov.save_model(ov.Model([answer], [image], "small"), folder / "small.xml", compress_to_fp16=False)
    return (folder / "small.xml").read_bytes(), (folder / "small.bin").read_bytes()


def small_manifest(**changes: object) -> Manifest:
    settings: dict[str, object] = {
        "name": "small",
        "task": "multi-label",
        "classes": CLASSES,
        "thresholds": dict.fromkeys(CLASSES, 0.5),
        "preprocessing": Preprocessing.square(SIZE, SIZE, planes=1, mean=(0.0,), std=(1.0,)),
        "inputs": (Port(name="image", shape=(1, SIZE, SIZE), dtype="uint8"),),
        "outputs": (Port(name="probabilities", shape=(1, 3), dtype="float32"),),
        "precision": "FP32",
        "golden": {"images": 2, "tolerance": 1e-4},
        "provenance": {"made_by": "a test"},
        "intended_use": "tests only",
    }
    return Manifest(**{**settings, **changes})


@pytest.fixture(scope="session")
def ir(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return small_ir(tmp_path_factory.mktemp("ir"))


@pytest.fixture(scope="session")
def files(ir: tuple[bytes, bytes]) -> dict[str, bytes]:
    xml, weights = ir
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE), dtype=np.uint8)
    backend = OpenVINOBackend(xml, weights)
    expected = np.stack([backend.infer(image) for image in images])
    return {"model.xml": xml, "model.bin": weights, "golden.npz": encode_golden(images, expected)}


@pytest.fixture
def bundle(tmp_path: Path, files: dict[str, bytes]) -> Path:
    path = tmp_path / "small.xopt"
    write_bundle(path, small_manifest(), files)
    return path


@pytest.fixture(scope="session")
def both_files(files: dict[str, bytes]) -> dict[str, bytes]:
    """The small bundle's files with the same graph in ONNX beside."""
    pytest.importorskip("onnx")
    return {**files, "model.onnx": onnx_graph((SIZE, SIZE), small_weights(SIZE))}
