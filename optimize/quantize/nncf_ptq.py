"""NNCF post-training quantization of the network inside an exported graph.

Shape suffixes: N images, H x W pixels.
"""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.openvino import without_telemetry
from ...runtime.errors import UsageError
from ...runtime.images.crops import take
from ...runtime.images.preprocessing import Preprocessing
from ...runtime.schema import nearest
from ..export.onnx import CROPS
from ..settings import QuantizeSettings
from .network import cut_network, floating_point, join_network, layers
from .qdq import finish_qdq
from .smoothing import smooth_network

if TYPE_CHECKING:
    import onnx


def quantize_model(
    model: "onnx.ModelProto",
    images_NHW: NDArray[np.uint8],
    preprocessing: Preprocessing,
    settings: QuantizeSettings,
) -> "onnx.ModelProto":
    """Quantize the network of an exported graph.

    Args:
        model: an FP32 graph as xopt exports it; it is left as it is.
        images_NHW: calibration images, uint8 (N, size, size), N at least 1.
        preprocessing: the bundle's, for its windows.
        settings: how. Its calibration_size does not matter here: all images are used.

    Returns:
        the graph with QuantizeLinear and DequantizeLinear nodes, for OpenVINO as it is and for ONNX Runtime
        by `qdq.for_onnx_runtime`.

    Raises:
        BundleError: the graph is not one of ours.
        UsageError: a layer to be kept is not in the network, or none of its layers can be smoothed.
    """
    network = cut_network(model)
    kept = kept_layers(network, settings.keep_floating_point)
    crops = calibration_crops(images_NHW, preprocessing, settings.crops_per_image)
    if settings.smooth is not None:
        network = smooth_network(network, crops, settings.smooth)
    with without_telemetry(), _quiet():
        import nncf

        quantized = nncf.quantize(
            network,
            nncf.Dataset(crops, lambda crop_HW: {CROPS: crop_HW[np.newaxis, np.newaxis]}),
            subset_size=len(crops),
            preset=nncf.QuantizationPreset(settings.preset),
            fast_bias_correction=settings.bias_correction != "accurate",
            ignored_scope=nncf.IgnoredScope(names=[*kept, *floating_point(network)]),
            advanced_parameters=_advanced(settings),
        )
    return join_network(model, finish_qdq(quantized, network))


def original_graph(
    model: "onnx.ModelProto",
    images_NHW: NDArray[np.uint8],
    preprocessing: Preprocessing,
    settings: QuantizeSettings,
) -> "onnx.ModelProto":
    """The FP32 graph that was quantized: smoothing changes its weights, though not its answers."""
    if settings.smooth is None:
        return model
    crops = calibration_crops(images_NHW, preprocessing, settings.crops_per_image)
    return join_network(model, smooth_network(cut_network(model), crops, settings.smooth))


def calibration_crops(
    images_NHW: NDArray[np.uint8], preprocessing: Preprocessing, crops_per_image: int
) -> list[NDArray[np.uint8]]:
    """Views to calibrate on: each image gives a few, and the views of the crop plan take turns.

    Ten views of one image say little more about the ranges of activations than one, and cost ten times
    as much; turns make every view count.
    """
    views, side = preprocessing.views(), preprocessing.view_size
    each = min(crops_per_image, len(views))
    return [
        np.ascontiguousarray(take(image_HW, views[(index * each + k) % len(views)], side))
        for index, image_HW in enumerate(images_NHW)
        for k in range(each)
    ]


def kept_layers(network: "onnx.ModelProto", names: Sequence[str]) -> list[str]:
    """The names of layers that are to stay in floating point, once they are known to be there.

    Raises:
        UsageError: a name that is no layer of the network; the message holds the nearest.
    """
    known = layers(network)
    for name in names:
        if name not in known:
            raise UsageError(
                f"no layer {name!r} to keep in floating point{nearest(name, known)}; the network has "
                f"{len(known)}, from {next(iter(known), 'none')} on"
            )
    return list(names)


def _advanced(settings: QuantizeSettings) -> Any:
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Ranges

    fixes = {
        "all": nncf.OverflowFix.ENABLE,
        "first": nncf.OverflowFix.FIRST_LAYER,
        "none": nncf.OverflowFix.DISABLE,
    }
    ranges = {"minmax": Ranges.MINMAX, "mean": Ranges.MEAN_MINMAX, "histogram": Ranges.HISTOGRAM}
    return nncf.AdvancedQuantizationParameters(
        overflow_fix=fixes[settings.overflow_fix],
        disable_bias_correction=settings.bias_correction == "none",
        activations_range_estimator_params=ranges[settings.activation_range],
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF logs to stdout, where our JSON goes, and draws progress bars even without a terminal."""
    before = logging.root.manager.disable
    try:
        # Its import brings torch's extension builder along, which warns where there is no GPU.
        logging.disable(logging.WARNING)
        import nncf  # noqa: F401

        target = sys.stderr if sys.stderr.isatty() else io.StringIO()
        with contextlib.redirect_stdout(target):
            yield
    finally:
        logging.disable(before)
