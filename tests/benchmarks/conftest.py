"""One tiny network in all its forms: PyTorch behind a loader, ONNX, OpenVINO. Real, untrained, quick."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime import Preprocessing

SIZE, CROP = 72, 64
PREPROCESSING = Preprocessing(size=SIZE, crop=CROP, crops="ten")
LOADER = "tiny_network:load"
LOADER_FILE = '''
"""What stands in for training: makes a network from a file of weights."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from xopt.runtime import Preprocessing


def load(path, architecture=None, classes=None):
    facts = json.loads(Path(path).read_text())
    convolution, head = nn.Conv2d(3, 4, 5, stride=4), nn.Linear(4, len(facts["head"]))
    network = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    values = [facts["kernel"], facts["bias"], facts["head"], facts["shift"]]
    for parameter, value in zip(network.parameters(), values, strict=True):
        parameter.data = torch.tensor(value)
    return network.eval(), tuple(facts["classes"]), Preprocessing(size=facts["size"], crop=facts["crop"])
'''


@dataclass(frozen=True, kw_only=True)
class Small:
    """A checkpoint, its bundle with ONNX, a bundle with other weights, and synthetic data for all of them."""

    checkpoint: Path
    bundle: Path
    other: Path
    data: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Small:
    """One convolution over ten crops of 64 x 64 pixels out of 72 x 72, and a linear layer."""
    pytest.importorskip("onnx")
    from xopt.datasets import open_source, phantoms

    folder = tmp_path_factory.mktemp("small")
    data = folder / "phantoms"
    phantoms.write(data, count=100, seed=5, size=96)
    classes = open_source(data).classes
    random = np.random.default_rng(0)
    weights = {
        "kernel": random.normal(0, 0.5, (4, 3, 5, 5)).astype(np.float32),
        "bias": random.normal(0, 0.5, 4).astype(np.float32),
        "head": random.normal(0, 2, (len(classes), 4)).astype(np.float32),
        "shift": random.normal(0, 0.1, len(classes)).astype(np.float32),
    }
    checkpoint = folder / "tiny.json"
    plain = {name: value.tolist() for name, value in weights.items()}
    checkpoint.write_text(json.dumps({**plain, "classes": classes, "size": SIZE, "crop": CROP}))
    write_tiny_bundle(folder / "fp32.xopt", weights, classes, onnx=True)
    coarse = {name: value.round(0 if name == "head" else 3) for name, value in weights.items()}
    write_tiny_bundle(folder / "int8.xopt", coarse, classes, onnx=False)
    return Small(checkpoint=checkpoint, bundle=folder / "fp32.xopt", other=folder / "int8.xopt", data=data)


def write_tiny_bundle(path, weights, classes, *, onnx, **changes):
    """Write the network as a bundle; INT8 by name alone where it has no ONNX form."""
    from xopt.optimize.export.openvino_ir import encode_ir, from_onnx
    from xopt.runtime.backends.openvino import OpenVINOBackend
    from xopt.runtime.bundle.folder import write_bundle
    from xopt.runtime.bundle.golden import encode_golden
    from xopt.runtime.bundle.manifest import Manifest, Port

    encoded = tiny_onnx(weights)
    xml, constants = encode_ir(from_onnx(encoded, size=SIZE, name=path.stem))
    files = {"model.xml": xml, "model.bin": constants}
    backend = OpenVINOBackend(files["model.xml"], files["model.bin"])
    images = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE), dtype=np.uint8)
    files["golden.npz"] = encode_golden(images, np.stack([backend.infer(image) for image in images]))
    if onnx:
        files["model.onnx"] = encoded
    manifest = Manifest(
        name=path.stem,
        task="multi-label",
        classes=tuple(classes),
        thresholds=dict.fromkeys(classes, 0.5),
        preprocessing=PREPROCESSING,
        inputs=(Port(name="image", shape=(1, SIZE, SIZE), dtype="uint8"),),
        outputs=(Port(name="probabilities", shape=(1, len(classes)), dtype="float32"),),
        precision="FP32" if onnx else "INT8",
        golden={"images": 2, "tolerance": 1e-4},
        provenance={"made_by": "a test"},
        intended_use="Tests <only>.",
    )
    write_bundle(path, replace(manifest, **changes), files)
    return path


def tiny_onnx(weights) -> bytes:
    """The network with cropping and normalisation inside, written out by hand."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name, value, kind):
        constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    grey = node("Cast", ["image"], "grey", to=TensorProto.FLOAT)
    pixels = node("Unsqueeze", [grey, constant("at_1", [1], np.int64)], "pixels")
    cuts = []
    for k, window in enumerate(PREPROCESSING.windows()):
        first, last, step = window.left, window.left + CROP, 1
        if window.mirrored:
            # Backwards, down to the pixel before the window; a number far below stands for "the very start".
            first, last, step = last - 1, window.left - 1 if window.left else -(10**6), -1
        limits = {
            "starts": [window.top, first],
            "ends": [window.top + CROP, last],
            "axes": [2, 3],
            "steps": [1, step],
        }
        inputs = [constant(f"{name}{k}", value, np.int64) for name, value in limits.items()]
        cuts.append(node("Slice", [pixels, *inputs], f"cut{k}"))
    crops = node("Concat", cuts, "crops", axis=0)
    scaled = node("Div", [crops, constant("white", 255, np.float32)], "scaled")
    colour = node("Concat", [scaled] * 3, "colour", axis=1)
    shape = (1, 3, 1, 1)
    centred = node(
        "Sub", [colour, constant("mean", np.reshape(PREPROCESSING.mean, shape), np.float32)], "centred"
    )
    seen = node("Div", [centred, constant("std", np.reshape(PREPROCESSING.std, shape), np.float32)], "seen")
    kernel, bias = (constant(name, weights[name], np.float32) for name in ("kernel", "bias"))
    features = node("Relu", [node("Conv", [seen, kernel, bias], "conv", strides=[4, 4])], "features")
    pooled = node("Flatten", [node("GlobalAveragePool", [features], "pool")], "flat")
    head, shift = (constant(name, weights[name], np.float32) for name in ("head", "shift"))
    each = node("Sigmoid", [node("Gemm", [pooled, head, shift], "logits", transB=1)], "each")
    node("ReduceMean", [each, constant("at_0", [0], np.int64)], "probabilities", keepdims=1)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(weights["shift"])])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


@pytest.fixture
def loader(monkeypatch, tmp_path) -> str:
    """A module that loads checkpoints, where this process, its workers and the commands find it."""
    from xopt.benchmarks import commands

    (tmp_path / "tiny_network.py").write_text(LOADER_FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tiny_network", raising=False)
    monkeypatch.setattr(commands, "reference_loader", LOADER)
    return LOADER
