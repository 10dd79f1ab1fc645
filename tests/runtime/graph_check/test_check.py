"""Malformed graphs end in a BundleError, whatever OpenVINO would make of them."""

import json
import subprocess
import sys
import time
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from xopt.runtime import BundleError, Classifier
from xopt.runtime.backends.openvino import OpenVINOBackend
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.golden import encode_golden
from xopt.runtime.bundle.manifest import Port
from xopt.runtime.graph_check.check import check_graph, check_ports, graph_ports
from xopt.runtime.graph_check.rules import RULES

from ..conftest import SIZE, small_manifest
from .kinds import KINDS, sound, written

MOST_MB = 1000


@pytest.fixture(scope="module")
def graph() -> tuple[bytes, bytes]:
    return written(sound)


@pytest.fixture(scope="module")
def network(graph, tmp_path_factory) -> Path:
    """A bundle of the sound network."""
    path = tmp_path_factory.mktemp("network") / "network.xopt"
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE), dtype=np.uint8)
    backend = OpenVINOBackend(*graph)
    golden = encode_golden(images, np.stack([backend.infer(image) for image in images]))
    write_bundle(path, small_manifest(), {"model.xml": graph[0], "model.bin": graph[1], "golden.npz": golden})
    return path


@pytest.fixture(scope="module")
def tried(network, tmp_path_factory) -> dict[str, dict]:
    """What became of each kind in one process that tried them all."""
    program = Path(__file__).with_name("kinds.py")
    done = subprocess.run(
        [sys.executable, program, network, tmp_path_factory.mktemp("kinds")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {[line['kind'] for line in lines[-1:]]}: {done.stderr[-2000:]}"
    return {line["kind"]: line for line in lines}


def test_the_sound_network_is_taken(network):
    with Classifier.load(network, verify="full") as classifier:
        assert len(classifier.predict(np.zeros((SIZE, SIZE), np.uint8)).probabilities) == 3


def test_there_are_more_than_fifty_kinds():
    assert len(KINDS) > 50


@pytest.mark.parametrize("name", KINDS)
def test_a_malformed_graph_is_a_bundle_error(tried, name):
    found = tried[name]
    assert found["error"] == "BundleError", found
    assert "\n" not in found["message"]
    assert len(found["message"]) < 800
    assert found["alive"]
    assert found["peak_mb"] < MOST_MB


INTS = np.int64
OPERATIONS = {
    ("Add", "opset1"): lambda op, x: op.add(x, x),
    ("Subtract", "opset1"): lambda op, x: op.subtract(x, np.ones((1, 4, 1, 1), np.float32)),
    ("Multiply", "opset1"): lambda op, x: op.multiply(x, np.float32(2)),
    ("Divide", "opset1"): lambda op, x: op.divide(x, np.float32(2)),
    ("Maximum", "opset1"): lambda op, x: op.maximum(x, np.float32(2)),
    ("Minimum", "opset1"): lambda op, x: op.minimum(x, np.float32(2)),
    ("Power", "opset1"): lambda op, x: op.power(x, np.float32(2)),
    ("SquaredDifference", "opset1"): lambda op, x: op.squared_difference(x, np.float32(2)),
    ("Abs", "opset1"): lambda op, x: op.absolute(x),
    ("Exp", "opset1"): lambda op, x: op.exp(x),
    ("Floor", "opset1"): lambda op, x: op.floor(x),
    ("Log", "opset1"): lambda op, x: op.log(x),
    ("Negative", "opset1"): lambda op, x: op.negative(x),
    ("Sqrt", "opset1"): lambda op, x: op.sqrt(x),
    ("ReLU", "opset1"): lambda op, x: op.relu(x),
    ("Sigmoid", "opset1"): lambda op, x: op.sigmoid(x),
    ("Tanh", "opset1"): lambda op, x: op.tanh(x),
    ("HSwish", "opset4"): lambda op, x: op.hswish(x),
    ("HSigmoid", "opset5"): lambda op, x: op.hsigmoid(x),
    ("Mish", "opset4"): lambda op, x: op.mish(x),
    ("SoftPlus", "opset4"): lambda op, x: op.softplus(x),
    ("Swish", "opset4"): lambda op, x: op.swish(x),
    ("HardSigmoid", "opset1"): lambda op, x: op.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)),
    ("PReLU", "opset1"): lambda op, x: op.prelu(x, np.full(4, 0.1, np.float32)),
    ("Clamp", "opset1"): lambda op, x: op.clamp(x, -1e-3, 6),
    ("Elu", "opset1"): lambda op, x: op.elu(x, 1.5),
    ("Gelu", "opset7"): lambda op, x: op.gelu(x, "erf"),
    ("SoftMax", "opset1"): lambda op, x: older(1).softmax(x, 1),
    ("SoftMax", "opset8"): lambda op, x: op.softmax(x, -1),
    ("Convert", "opset1"): lambda op, x: op.convert(op.convert(x, "i32"), "f32"),
    ("FakeQuantize", "opset1"): lambda op, x: op.fake_quantize(x, *map(np.float32, (0, 1, 0, 1)), 256),
    ("Convolution", "opset1"): lambda op, x: op.convolution(
        x, np.ones((4, 4, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1]
    ),
    ("GroupConvolution", "opset1"): lambda op, x: op.group_convolution(
        x, np.ones((4, 1, 1, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1]
    ),
    ("MatMul", "opset1"): lambda op, x: op.matmul(x, np.ones((16, 16), np.float32), False, True),
    ("MVN", "opset6"): lambda op, x: op.mvn(x, np.array([2, 3], INTS), True, 1e-6, "INSIDE_SQRT"),
    ("AvgPool", "opset1"): lambda op, x: older(1).avg_pool(
        x, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True
    ),
    ("AvgPool", "opset14"): lambda op, x: older(14).avg_pool(
        x, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True
    ),
    ("MaxPool", "opset8"): lambda op, x: op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0),
    ("MaxPool", "opset14"): lambda op, x: (
        older(14).max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    ),
    ("AdaptiveAvgPool", "opset8"): lambda op, x: op.adaptive_avg_pool(x, np.array([1, 1], INTS)),
    ("ReduceMean", "opset1"): lambda op, x: op.reduce_mean(x, np.array([2, 3], INTS), True),
    ("ReduceSum", "opset1"): lambda op, x: op.reduce_sum(x, np.array([2, 3], INTS)),
    ("ReduceMax", "opset1"): lambda op, x: op.reduce_max(x, np.array([1], INTS)),
    ("ReduceMin", "opset1"): lambda op, x: op.reduce_min(x, np.array([1], INTS)),
    ("Concat", "opset1"): lambda op, x: op.concat([x, x], -1),
    ("Reshape", "opset1"): lambda op, x: op.reshape(x, np.array([0, -1], INTS), special_zero=True),
    ("Squeeze", "opset1"): lambda op, x: older(1).squeeze(x, np.array([0], INTS)),
    ("Unsqueeze", "opset1"): lambda op, x: op.unsqueeze(x, np.array([0], INTS)),
    ("Transpose", "opset1"): lambda op, x: op.transpose(x, np.array([0, 2, 3, 1], INTS)),
    ("Slice", "opset8"): lambda op, x: op.slice(x, *(np.array([v], INTS) for v in (7, -99, -1, 3))),
    ("StridedSlice", "opset1"): lambda op, x: op.strided_slice(
        x, *(np.array(v, INTS) for v in ([0, 1], [1, 3], [1, 1])), [0, 0], [0, 0]
    ),
    ("Split", "opset1"): lambda op, x: op.split(x, np.array(1, INTS), 2).output(0),
    ("VariadicSplit", "opset1"): lambda op, x: op.variadic_split(
        x, np.array(1, INTS), np.array([1, 3], INTS)
    ).output(0),
    ("Gather", "opset1"): lambda op, x: older(1).gather(x, np.array([1, 0], INTS), np.array(1, INTS)),
    ("Gather", "opset7"): lambda op, x: older(7).gather(x, np.array([1, 0], INTS), np.array(1, INTS)),
    ("Gather", "opset8"): lambda op, x: op.gather(x, np.array([1, -1], INTS), np.array(1, INTS)),
    ("Pad", "opset1"): lambda op, x: older(1).pad(x, *edges(), "constant", np.float32(0)),
    ("Pad", "opset12"): lambda op, x: op.pad(x, *edges(), "reflect"),
    ("Interpolate", "opset11"): lambda op, x: op.interpolate(
        x, np.array([4, 4], INTS), "linear_onnx", "sizes", axes=[2, 3]
    ),
}


def older(number: int):
    """An operation set by its number."""
    import importlib

    return importlib.import_module(f"openvino.opset{number}")


def edges() -> list[np.ndarray]:
    """One pixel more on each side."""
    return [np.array([0, 0, 1, 1], INTS)] * 2


def test_every_operation_of_a_network_has_an_example():
    assert set(OPERATIONS) == set(RULES) - {(name, "opset1") for name in ("Parameter", "Result", "Const")}


@pytest.mark.parametrize("key", OPERATIONS, ids="-".join)
def test_an_operation_is_taken_as_openvino_writes_it(key):
    def build(op, image):
        floats = op.convert(image, "f32")
        pixels = op.reshape(floats, np.array([1, 4, 16, 16], INTS), special_zero=False)
        return op.relu(OPERATIONS[key](op, pixels))

    xml, weights = written(build)
    assert f'type="{key[0]}" version="{key[1]}"' in xml.decode()
    backend = OpenVINOBackend(xml, weights)
    assert backend.input_shape == (1, SIZE, SIZE)


@pytest.mark.parametrize("listed", [2, 1])
def test_a_second_output_has_to_be_listed(tmp_path, files, listed):
    def build(op, image):
        import openvino as ov

        floats = op.convert(image, "f32")
        flat = op.reshape(floats, np.array([1, SIZE * SIZE], INTS), special_zero=False)
        answer = op.sigmoid(op.matmul(flat, np.full((SIZE * SIZE, 3), 1e-3, np.float32), False, False))
        answer.output(0).set_names({"probabilities"})
        floats.output(0).set_names({"maps"})
        return ov.Model([answer, floats], [image], "small")

    xml, weights = written(build)
    outputs = (
        Port(name="probabilities", shape=(1, 3), dtype="float32"),
        Port(name="maps", shape=(1, SIZE, SIZE), dtype="float32"),
    )
    assert graph_ports(check_graph(xml, weights))[1] == outputs
    content = {**files, "model.xml": xml, "model.bin": weights}
    write_bundle(tmp_path / "b.xopt", small_manifest(outputs=outputs[:listed]), content)
    if listed == 1:
        with pytest.raises(BundleError, match=r"the graph has the outputs 'probabilities'.*'maps'"):
            Classifier.load(tmp_path / "b.xopt")
        return
    with Classifier.load(tmp_path / "b.xopt") as classifier:
        assert len(classifier.predict(np.zeros((SIZE, SIZE), np.uint8)).probabilities) == 3


def test_ports_are_compared_in_order(graph):
    read = check_graph(*graph)
    inputs, outputs = graph_ports(read)
    check_ports(read, inputs, outputs)
    with pytest.raises(BundleError, match="its manifest says none"):
        check_ports(read, inputs, ())


def test_a_graph_of_a_megabyte_is_checked_in_the_time_of_an_xml_parser():
    """As large as DenseNet-121 in INT8: 2,100 layers. Python's XML parser shows how fast this machine is."""

    def build(op, image):
        kernel = np.ones((1, 1, 3, 3), np.float32)
        chain = op.unsqueeze(op.convert(image, "f32"), np.array([1], INTS))
        for number in range(210):
            chain = op.convolution(chain, kernel * number, [1, 1], [1, 1], [1, 1], [1, 1])
            chain = op.relu(op.add(chain, np.ones((1, 1, 1, 1), np.float32)))
            chain = op.fake_quantize(chain, *map(np.float32, (0, 1, 0, 1)), 256)
        return chain

    xml, weights = written(build)
    assert len(xml) > 800_000
    spent: dict[str, list[float]] = {"check": [], "parse": []}
    for _ in range(5):
        for name, read in (("check", lambda: check_graph(xml, weights)), ("parse", lambda: fromstring(xml))):
            started = time.thread_time()
            read()
            spent[name].append(time.thread_time() - started)
    assert min(spent["check"]) < 2 * min(spent["parse"])
