"""What happens inside the FP32 network of an exported graph: values of its layers, image by image.

Shape suffixes: N images, F figures.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.openvino import PRECISION_HINT, compile_graph, import_openvino
from ...runtime.console import progress
from .subgraph import layers

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
