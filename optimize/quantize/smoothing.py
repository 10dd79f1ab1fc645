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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.openvino import import_openvino
from ...runtime.errors import UsageError
from .activations import channel_peaks
from .subgraph import layers

if TYPE_CHECKING:
    import openvino

_WIDEST = 7
"""Scales stay within 2^-7..2^7 of their layer's median: a channel that hardly ever speaks is no reference."""


@dataclass(frozen=True)
class _Place:
    """A convolution, and the operations before it whose constants take the division."""

    name: str
    convolution: Any
    before: tuple[Any, ...]


def smooth_network(
    network: "openvino.Model", crops: Sequence[NDArray[np.uint8]], alpha: float
) -> "openvino.Model":
    """A copy of a network whose channels are evened out; it computes the same function.

    Args:
        network: of the kind that `splice.cut_network` returns.
        crops: uint8 (side, side) each, whose activations decide.
        alpha: 0..1, how much of the difference between channels moves into the weights.

    Raises:
        UsageError: no layer can be smoothed.
    """
    smooth = network.clone()
    places = _places(smooth)
    if not places:
        raise UsageError(
            "no convolution of this network follows a ReLU and a convolution or normalization of its own, so "
            "nothing can be smoothed; leave --smooth out"
        )
    peaks = channel_peaks(smooth, crops, [place.name for place in places])
    for place, peaks_C in zip(places, peaks, strict=True):
        scales_C = channel_scales(peaks_C, _constant(place.convolution), alpha)
        _scale_constant(place.convolution, scales_C.reshape(1, -1, 1, 1))
        for operation in place.before:
            shape = (-1, 1, 1, 1) if operation.get_type_name() == "Convolution" else (1, -1, 1, 1)
            _scale_constant(operation, (np.float32(1) / scales_C).reshape(shape))
    smooth.validate_nodes_and_infer_types()
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


def _places(network: "openvino.Model") -> list[_Place]:
    operations = {operation.get_friendly_name(): operation for operation in network.get_ordered_ops()}
    found = []
    for name, full_name in layers(network).items():
        convolution = operations[full_name]
        # A single channel has no other to be made alike.
        alone = len(convolution.input_value(0).shape) != 4 or int(convolution.input_value(0).shape[1]) < 2
        if convolution.get_type_name() != "Convolution" or alone or not _is_constant(convolution):
            continue
        before = _before(convolution)
        if before:
            found.append(_Place(name, convolution, before))
    return found


def _before(convolution: Any) -> tuple[Any, ...]:
    """The operations whose constants can take the division of what enters; none where one cannot."""
    channels = int(convolution.input_value(0).shape[1])
    taken = []
    output = convolution.input_value(0)
    while len(output.get_target_inputs()) == 1 and int(output.shape[1]) == channels:
        node = output.get_node()
        kind = node.get_type_name()
        if kind in ("Add", "Multiply", "Convolution"):
            if not _is_constant(node) or not _by_channel(node, channels):
                return ()
            taken.append(node)
            if kind != "Add":
                return tuple(taken)
        elif kind != "Relu":
            return ()
        output = node.input_value(0)
    return ()


def _by_channel(node: Any, channels: int) -> bool:
    """True if an operation's constant has one value a channel; a convolution's weights always have."""
    shape = list(node.input_value(1).shape)
    return node.get_type_name() == "Convolution" or shape in ([1, channels, 1, 1], [1, 1, 1, 1])


def _is_constant(node: Any) -> bool:
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")


def _constant(node: Any) -> NDArray[np.float32]:
    return np.array(node.input_value(1).get_node().data, dtype=np.float32)


def _scale_constant(node: Any, factor: NDArray[np.float32]) -> None:
    # A new constant in place of the old one: another operation may hold that too.
    old = node.input_value(1).get_node()
    new = import_openvino().opset13.constant(_constant(node) * factor, name=old.get_friendly_name())
    node.input(1).replace_source_output(new.output(0))
