"""Values of the layers of an exported FP32 network, and the few images whose activations cover those of many.

An image is the point of what its values range over in every layer (`layer_ranges`). Of farthest points each
next image is the one farthest from all that were chosen (Gonzalez, "Clustering to minimize the maximum
intercluster distance", 1985): no choice of as many images leaves less than half of its covering radius.

Shape suffixes: N images, F figures.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...datasets import Split, load_images
from ...runtime.backends.openvino import PRECISION_HINT, compile_graph, import_openvino
from ...runtime.console import progress
from ...runtime.images.crops import take
from ...runtime.images.preprocessing import Preprocessing
from .subgraph import cut_network, layers

if TYPE_CHECKING:
    import openvino


def layer_ranges(network: "openvino.Model", crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The least, mean and largest value that enters each layer, crop by crop.

    These are what 8 bits are spread over: two images with the same ranges everywhere calibrate alike.

    Args:
        network: of the kind that `splice.cut_network` returns; it is left as it is.
        crops: uint8 (side, side) each.

    Returns:
        float32 (N, F): the least values of all layers, then the means, then the largest values.
    """
    opset = import_openvino().opset13

    def figures(entries: list["openvino.Output"]) -> "openvino.Output":
        kinds = (opset.reduce_min, opset.reduce_mean, opset.reduce_max)
        values = [kind(entry, _all_axes(entry), keep_dims=False) for kind in kinds for entry in entries]
        return opset.concat([opset.unsqueeze(value, 0) for value in values], 0).output(0)

    return _observe(network, crops, figures)


def channel_peaks(
    network: "openvino.Model", crops: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """The largest absolute value of every channel that enters each of the layers named, over all crops.

    Args:
        network: of the kind that `splice.cut_network` returns; it is left as it is.
        crops: uint8 (side, side) each, at least one.
        names: layers whose input has its channels in the second place.

    Returns:
        one float32 (channels,) a name.
    """
    opset = import_openvino().opset13
    sizes: list[int] = []

    def figures(entries: list["openvino.Output"]) -> "openvino.Output":
        known = dict(zip(layers(network), entries, strict=True))
        chosen = [known[name] for name in names]
        sizes.extend(int(entry.shape[1]) for entry in chosen)
        axes = [[axis for axis in range(len(entry.shape)) if axis != 1] for entry in chosen]
        peaks = [
            opset.reduce_max(opset.abs(entry), np.array(axis), keep_dims=False)
            for entry, axis in zip(chosen, axes, strict=True)
        ]
        return opset.concat(peaks, 0).output(0)

    peaks_NF = _observe(network, crops, figures)
    return np.split(peaks_NF.max(axis=0), np.cumsum(sizes)[:-1])


def _observe(
    network: "openvino.Model",
    crops: Sequence[NDArray[np.uint8]],
    figures: Callable[[list["openvino.Output"]], "openvino.Output"],
) -> NDArray[np.float32]:
    """Run the network for figures (F,) made from what enters its layers, in the order of `layers`."""
    openvino = import_openvino()
    inner = network.clone()
    operations = {operation.get_friendly_name(): operation for operation in inner.get_ordered_ops()}
    entries = [operations[name].input_value(0) for name in layers(inner).values()]
    result = openvino.opset13.result(figures(entries))
    watched = openvino.Model([result], inner.get_parameters(), "activations")
    settings = {"INFERENCE_PRECISION_HINT": PRECISION_HINT, "PERFORMANCE_HINT": "LATENCY"}
    request = compile_graph(openvino.Core(), watched, "CPU", settings).create_infer_request()
    rows = []
    for crop_HW in progress(crops, label="activations", total=len(crops)):
        request.infer([crop_HW[np.newaxis, np.newaxis]])
        rows.append(np.array(request.get_output_tensor().data))
    return np.stack(rows)


def _all_axes(entry: "openvino.Output") -> NDArray[np.int64]:
    return np.arange(len(entry.shape), dtype=np.int64)


def image_features(
    model: "openvino.Model", preprocessing: Preprocessing, images: Split
) -> NDArray[np.float64]:
    """Each image as a point, float64 (N, F): its ranges in every layer, as `image_ranges` gives them.

    Every column has a standard deviation of 1 over these images, so that no layer counts for its scale.
    """
    return standardized(image_ranges(model, preprocessing, images))


def image_ranges(model: "openvino.Model", preprocessing: Preprocessing, images: Split) -> NDArray[np.float32]:
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
