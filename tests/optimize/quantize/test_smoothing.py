"""Channels made alike before quantizing, without a change of the function."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets.phantoms import draw
from xopt.optimize.export.openvino_ir import encode_ir, read_ir
from xopt.optimize.quantize.activations import channel_peaks
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, calibration_crops, quantize_model
from xopt.optimize.quantize.smoothing import channel_scales, smooth_network
from xopt.optimize.quantize.subgraph import cut_network, join_network, layers
from xopt.runtime import Bundle, UsageError
from xopt.runtime.backends.openvino import OpenVINOBackend, import_openvino

INNER = [f"layer{stage}.{block}.conv2" for stage in (1, 2, 3, 4) for block in (0, 1)]
"""The convolutions of a ResNet-18 that stand alone behind a ReLU and another convolution."""


@pytest.fixture(scope="module")
def bundle(small):
    return Bundle.open(small.bundle)


@pytest.fixture(scope="module")
def model(bundle):
    return read_ir(bundle.read("model.xml"), bundle.read("model.bin"))


@pytest.fixture(scope="module")
def images():
    return draw(12, seed=6, size=72).images_NHW


@pytest.fixture(scope="module")
def crops(images, bundle):
    return calibration_crops(images, bundle.manifest.preprocessing, 1)


def layer_of(network, name: str):
    operations = {operation.get_friendly_name(): operation for operation in network.get_ordered_ops()}
    return operations[layers(network)[name]]


def weights_of(network, name: str) -> np.ndarray:
    return layer_of(network, name).input_value(1).get_node().data.copy()


def set_weights(network, name: str, weights: np.ndarray) -> None:
    constant = import_openvino().opset13.constant(weights)
    layer_of(network, name).input(1).replace_source_output(constant.output(0))


@pytest.fixture(scope="module")
def fragile(model):
    """The same function, with three channels in every block 64 times as large as they were."""
    changed = cut_network(model)
    for name in INNER:
        before = name.replace("conv2", "conv1")
        # The untrained network's biases are zeros.
        large, small = weights_of(changed, before), weights_of(changed, name)
        large[:3] *= 64
        small[:, :3] /= 64
        set_weights(changed, before, large)
        set_weights(changed, name, small)
    return join_network(model, changed)


@pytest.mark.parametrize(
    ("peaks", "weights", "alpha", "expected"),
    [
        ((1, 1, 1), (1, 1, 1), 0.5, (1, 1, 1)),
        ((4, 1, 1), (1, 1, 1), 0.5, (2, 1, 1)),
        ((4, 1, 1), (1, 1, 1), 1.0, (4, 1, 1)),
        ((4, 1, 1), (1, 1, 1), 0.0, (1, 1, 1)),
        ((1, 1, 1), (16, 1, 1), 0.5, (0.25, 1, 1)),
        ((64, 1, 1), (1 / 64, 1, 1), 0.5, (64, 1, 1)),
        ((3, 1, 1), (1, 1, 1), 1.0, (4, 1, 1)),
        ((0, 8, 8), (1, 1, 1), 1.0, (1, 1, 1)),
        ((8, 8, 8), (0, 1, 1), 0.5, (1, 1, 1)),
        ((0, 0, 0), (1, 1, 1), 0.5, (1, 1, 1)),
        ((1e9, 1, 1), (1, 1, 1), 1.0, (128, 1, 1)),
    ],
)
def test_channels_are_divided_by_powers_of_two(peaks, weights, alpha, expected):
    weights_OCHW = np.array(weights, dtype=np.float32).reshape(1, 3, 1, 1) * np.array([[[[-1.0]]], [[[0.5]]]])
    scales = channel_scales(np.array(peaks, dtype=np.float32), weights_OCHW.astype(np.float32), alpha)
    assert tuple(scales) == expected


def test_the_function_stays_the_same_to_the_last_bit(model, fragile, crops):
    pictures = draw(5, seed=60, size=72).images_NHW
    for graph in (model, fragile):
        smooth = join_network(graph, smooth_network(cut_network(graph), crops, 0.5))
        before, after = OpenVINOBackend(*encode_ir(graph)), OpenVINOBackend(*encode_ir(smooth))
        assert encode_ir(smooth)[1] != encode_ir(graph)[1]
        for picture in pictures:
            np.testing.assert_array_equal(after.infer(picture), before.infer(picture))


def test_large_channels_shrink_to_about_the_size_of_the_others(fragile, crops):
    network = cut_network(fragile)
    smooth = smooth_network(network, crops, 0.5)
    for peaks, evened in zip(
        channel_peaks(network, crops, INNER), channel_peaks(smooth, crops, INNER), strict=True
    ):
        assert peaks.max() > 16 * np.median(peaks)
        assert evened.max() < 8 * np.median(evened)


def test_smoothing_leaves_the_network_it_is_given(model, crops):
    network = cut_network(model)
    before = [weights_of(network, name) for name in INNER]
    smooth_network(network, crops, 0.5)
    for name, weights in zip(INNER, before, strict=True):
        np.testing.assert_array_equal(weights_of(network, name), weights)


@pytest.mark.slow
def test_a_fragile_network_loses_less_when_it_is_smoothed(model, fragile, images, bundle):
    pictures = draw(8, seed=60, size=72).images_NHW

    def error(graph, **options) -> float:
        settings = QuantizeSettings(**options)
        quantized = quantize_model(graph, images, bundle.manifest.preprocessing, settings)
        exact, rounded = OpenVINOBackend(*encode_ir(graph)), OpenVINOBackend(*encode_ir(quantized))
        difference = [exact.infer(picture) - rounded.infer(picture) for picture in pictures]
        return float(np.sqrt(np.mean(np.square(difference))))

    assert error(fragile, smooth=0.5) < 0.5 * error(fragile)


def test_a_network_without_a_place_for_the_division_is_refused():
    openvino = import_openvino()
    opset = openvino.opset13
    entrance = opset.parameter([1, 2, 8, 8], np.float32)
    weights = opset.constant(np.ones((3, 2, 1, 1), dtype=np.float32))
    product = opset.convolution(entrance, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    network = openvino.Model([opset.result(product)], [entrance], "bare")
    with pytest.raises(UsageError, match="nothing can be smoothed; leave --smooth out"):
        smooth_network(network, [np.zeros((8, 8), dtype=np.uint8)], 0.5)
