"""Channels made alike before quantizing, without a change of the function."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets.phantoms import draw
from xopt.optimize.quantize.activations import channel_peaks
from xopt.optimize.quantize.network import constants, cut_network, join_network, layers
from xopt.optimize.quantize.nncf_ptq import QuantizeSettings, calibration_crops, quantize_model
from xopt.optimize.quantize.smoothing import channel_scales, smooth_network
from xopt.runtime import UsageError

from ..fragile_graph import make_fragile_graph
from .graphs import answers

INNER = [f"layer{stage}.{block}.conv2" for stage in (1, 2, 3, 4) for block in (0, 1)]
"""The convolutions of a ResNet-18 that stand alone behind a ReLU and another convolution."""


@pytest.fixture(scope="module")
def images():
    return draw(12, seed=6, size=72).images_NHW


@pytest.fixture(scope="module")
def crops(images, bundle):
    return calibration_crops(images, bundle.manifest.preprocessing, 1)


def weights_of(network, name: str) -> np.ndarray:
    return constants(network)[layers(network)[name].input[1]]


@pytest.fixture(scope="module")
def fragile(model):
    """The same function, with three channels in every block 64 times as large as they were."""
    pairs = [(name.replace("conv2", "conv1"), name) for name in INNER]
    return make_fragile_graph(model, pairs, channels=3, factor=64.0)


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
        assert (weights_of(smooth, INNER[0]) != weights_of(graph, INNER[0])).any()
        np.testing.assert_array_equal(answers(smooth, pictures), answers(graph, pictures))


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
        return float(np.sqrt(np.mean(np.square(answers(graph, pictures) - answers(quantized, pictures)))))

    assert error(fragile, smooth=0.5) < 0.5 * error(fragile)


def test_a_network_without_a_place_for_the_division_is_refused(model, crops):
    bare = cut_network(model)
    for node in bare.graph.node:
        node.op_type = "Tanh" if node.op_type == "Relu" else node.op_type
    with pytest.raises(UsageError, match="nothing can be smoothed; leave --smooth out"):
        smooth_network(bare, crops, 0.5)
