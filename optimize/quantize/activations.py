"""Values of the layers of an exported FP32 network, and the few images whose activations cover those of many.

An image is the point of what its values range over in every layer (`layer_ranges`). Of farthest points each
next image is the one farthest from all that were chosen (Gonzalez, "Clustering to minimize the maximum
intercluster distance", 1985): no choice of as many images leaves less than half of its covering radius.

Shape suffixes: N images, F figures.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split, load_images
from ...runtime.backends.onnxruntime import open_session
from ...runtime.console import progress
from ...runtime.images.crops import take
from ...runtime.images.preprocessing import Preprocessing
from ..export.onnx import CROPS
from .network import cut_network, layers

if TYPE_CHECKING:
    import onnx


def layer_ranges(network: "onnx.ModelProto", crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The least, mean and largest value that enters each layer, crop by crop.

    These are what 8 bits are spread over: two images with the same ranges everywhere calibrate alike.

    Args:
        network: of the kind that `network.cut_network` returns; it is left as it is.
        crops: uint8 (side, side) each.

    Returns:
        float32 (N, F): the least values of all layers, then the means, then the largest values.
    """
    kinds = (np.min, np.mean, np.max)
    entries = _entries(network, crops, list(layers(network)))
    return np.array([[kind(entry) for kind in kinds for entry in row] for row in entries], np.float32)


def channel_peaks(
    network: "onnx.ModelProto", crops: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """The largest absolute value of every channel that enters each of the layers named, over all crops.

    Args:
        network: of the kind that `network.cut_network` returns; it is left as it is.
        crops: uint8 (side, side) each, at least one.
        names: layers whose input has its channels in the second place.

    Returns:
        one float32 (channels,) a name.
    """
    peaks: list[NDArray[np.float32]] | None = None
    for row in _entries(network, crops, names):
        found = [np.abs(np.moveaxis(entry, 1, 0)).reshape(entry.shape[1], -1).max(axis=1) for entry in row]
        peaks = found if peaks is None else list(map(np.maximum, peaks, found))
    assert peaks is not None
    return peaks


def _entries(
    network: "onnx.ModelProto", crops: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> Iterator[list[NDArray[np.float32]]]:
    """The inputs of the named layers, crop by crop."""
    import onnx

    known = layers(network)
    values = [known[name].input[0] for name in names]
    watched = deepcopy(network)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=value) for value in dict.fromkeys(values))
    session = open_session(watched.SerializeToString())
    for crop_HW in progress(crops, label="activations", total=len(crops)):
        found = session.run(None, {CROPS: crop_HW[np.newaxis, np.newaxis]})
        by_value = dict(zip(dict.fromkeys(values), found, strict=True))
        yield [by_value[value] for value in values]


def image_features(
    model: "onnx.ModelProto", preprocessing: Preprocessing, images: Split
) -> NDArray[np.float64]:
    """Each image as a point, float64 (N, F): its ranges in every layer, as `image_ranges` gives them.

    Every column has a standard deviation of 1 over these images, so that no layer counts for its scale.
    """
    return standardized(image_ranges(model, preprocessing, images))


def image_ranges(
    model: "onnx.ModelProto", preprocessing: Preprocessing, images: Split
) -> NDArray[np.float32]:
    """The range of an image's values in every layer of the FP32 network, by its central view.

    Args:
        model: an FP32 graph as xopt exports it.
        preprocessing: the bundle's.
        images: N images.

    Returns:
        float32 (N, F): the least values that enter the layers, then the means, then the largest values.

    Raises:
        BundleError: the graph is not one of ours.
        DataError, InputError: an image is absent or cannot be decoded.
    """
    side = preprocessing.view_size
    middle = (preprocessing.size - side) / 2
    view = min(preprocessing.views(), key=lambda w: (w.mirrored, abs(w.top - middle) + abs(w.left - middle)))
    images_NHW = load_images(images, preprocessing)
    crops = [np.ascontiguousarray(take(image_HW, view, side)) for image_HW in images_NHW]
    return layer_ranges(cut_network(model), crops)


def standardized(figures_NF: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1; a column that never changes becomes zeros."""
    centred_NF = figures_NF.astype(np.float64) - figures_NF.mean(axis=0, dtype=np.float64)
    spread_F = centred_NF.std(axis=0)
    standard_NF: NDArray[np.float64] = centred_NF / np.where(spread_F > 0, spread_F, 1)
    return standard_NF


def farthest_points(features_NF: NDArray[np.float64], count: int, *, seed: int) -> NDArray[np.intp]:
    """Choose points one after the other, each the farthest from those chosen before.

    Args:
        features_NF: finite, float64 (N, F); distances are Euclidean.
        count: points to choose, 0..N.
        seed: decides the first point, and nothing else.

    Returns:
        `count` different indices in rising order.
    """
    total = len(features_NF)
    if not 0 <= count <= total:
        raise ValueError(f"count must be in 0..{total}, got {count}.")
    distance_N = np.full(total, np.inf)
    chosen: list[int] = []
    for _ in range(count):
        first = int(np.random.default_rng(seed).integers(total))
        index = int(distance_N.argmax()) if chosen else first
        chosen.append(index)
        distance_N = np.minimum(distance_N, _distances(features_NF, index))
        # Equal images are all at distance 0, and what was chosen must not be chosen again.
        distance_N[index] = -1
    return np.array(sorted(chosen), dtype=np.intp)


def covering_radius(features_NF: NDArray[np.float64], chosen: Sequence[int] | NDArray[np.intp]) -> float:
    """The distance from the chosen points to the point that lies farthest from all of them."""
    if not len(chosen):
        raise ValueError("a covering radius needs at least 1 chosen point, got 0.")
    nearest_N = np.full(len(features_NF), np.inf)
    for index in chosen:
        nearest_N = np.minimum(nearest_N, _distances(features_NF, int(index)))
    return float(nearest_N.max())


def _distances(features_NF: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    distances_N: NDArray[np.float64] = np.linalg.norm(features_NF - features_NF[index], axis=1)
    return distances_N
