"""Smoothing: channels of activations made alike before 8 bits are spread over them, at no cost when it runs.

All channels of an activation share one range, so a few large ones leave few steps to the rest, while weights
have a range for each output channel. SmoothQuant (Xiao et al. 2023) divides channel c by

    s_c = max|x_c|^alpha / max|w_c|^(1 - alpha)

and multiplies the weights that meet it by s_c. NNCF has it for transformers only, as a multiplication at run
time (docs/decisions/0058). Here the division is folded into the convolution or the normalization before, as
in cross-layer equalization (Nagel et al. 2019): a ReLU between does not mind a positive factor. The s_c are
rounded to powers of two, so the FP32 network answers the same to the last bit.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import UsageError
from .activations import channel_peaks
from .network import attribute, constants, layers, makers, set_constants, shape_of

if TYPE_CHECKING:
    import onnx

_WIDEST = 7
"""Scales stay within 2^-7..2^7 of their layer's median: a channel that hardly ever speaks is no reference."""
_SCALED = ("Conv", "BatchNormalization")
"""Operations whose second and third input, weights and bias, take the division for their output."""


@dataclass(frozen=True)
class _Place:
    """A convolution, and the convolution or normalization before it that takes the division."""

    convolution: "onnx.NodeProto"
    before: "onnx.NodeProto"


def smooth_network(
    network: "onnx.ModelProto", crops: Sequence[NDArray[np.uint8]], alpha: float
) -> "onnx.ModelProto":
    """A copy of a network whose channels are evened out; it computes the same function.

    Args:
        network: of the kind that `network.cut_network` returns.
        crops: uint8 (side, side) each, whose activations decide.
        alpha: 0..1, how much of the difference between channels moves into the weights.

    Raises:
        UsageError: no layer can be smoothed.
    """
    smooth = deepcopy(network)
    places = _places(smooth)
    if not places:
        raise UsageError(
            "no convolution of this network follows a ReLU and a convolution or normalization of its own, so "
            "nothing can be smoothed; leave --smooth out"
        )
    stored = constants(smooth)
    peaks = channel_peaks(smooth, crops, [place.convolution.name for place in places])
    for place, peaks_C in zip(places, peaks, strict=True):
        weights = place.convolution.input[1]
        scales_C = channel_scales(peaks_C, stored[weights], alpha)
        stored[weights] = stored[weights] * scales_C.reshape(1, -1, 1, 1)
        for name in place.before.input[1:3]:
            shape = [-1] + [1] * (stored[name].ndim - 1)
            stored[name] = stored[name] / scales_C.reshape(shape)
    set_constants(smooth, stored)
    return smooth


def channel_scales(
    peaks_C: NDArray[np.float32], weights_OCHW: NDArray[np.float32], alpha: float
) -> NDArray[np.float32]:
    """The divisors of the channels, powers of two around 1.

    Args:
        peaks_C: largest absolute activation of each channel.
        weights_OCHW: of the convolution that follows.
        alpha: 0..1.

    Returns:
        float32 (C,); 1 for channels that are always zero or meet weights of zero.
    """
    weights_C = np.abs(weights_OCHW).max(axis=(0, 2, 3))
    alive_C = (peaks_C > 0) & (weights_C > 0)
    if not alive_C.any():
        return np.ones_like(peaks_C)
    exponents_C = np.zeros(len(peaks_C))
    exponents_C[alive_C] = alpha * np.log2(peaks_C[alive_C]) - (1 - alpha) * np.log2(weights_C[alive_C])
    exponents_C[alive_C] -= np.median(exponents_C[alive_C])
    scales_C: NDArray[np.float32] = np.exp2(np.rint(exponents_C).clip(-_WIDEST, _WIDEST)).astype(np.float32)
    return scales_C


def _places(network: "onnx.ModelProto") -> list[_Place]:
    stored, made_by = constants(network), makers(network)
    taken = [value for node in network.graph.node for value in node.input]

    def divisible(value: str, channels: int) -> "onnx.NodeProto | None":
        """The operation whose constants can take the division of a value; None where none can."""
        node = made_by.get(value)
        while node is not None and taken.count(value) == 1:
            if node.op_type in _SCALED:
                names = node.input[1:3]
                own = all(name in stored and taken.count(name) == 1 for name in names)
                return node if own and len(stored[names[0]]) == channels else None
            if node.op_type != "Relu":
                return None
            value = node.input[0]
            node = made_by.get(value)
        return None

    found = []
    for node in layers(network).values():
        shape = shape_of(network, node.input[0])
        # A single channel has no other to be made alike, and a constant of two layers serves both.
        single = node.op_type != "Conv" or attribute(node, "group", 1) != 1 or len(shape) != 4 or shape[1] < 2
        if single or node.input[1] not in stored or taken.count(node.input[1]) > 1:
            continue
        before = divisible(node.input[0], shape[1])
        if before is not None:
            found.append(_Place(node, before))
    return found
