"""What a network is made of, as hardware sees it: blocks of convolutions on maps of a certain side.

Two blocks of the same shape take the same time wherever they stand, so a table needs one entry a shape: by
operation, channels and input resolution.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.arch_spec import Block, Convolution
from ...models.registry import spec
from ...runtime.errors import UsageError

WORK = ("blocks", "pointwise_mmacs", "depthwise_mmacs", "dense_mmacs", "weights_k", "activations_k")
"""What `PlacedBlock.work` counts: blocks; millions of multiply-accumulates in 1x1, depthwise and all other
convolutions; thousands of weights; thousands of activations written."""


@dataclass(frozen=True, kw_only=True)
class PlacedBlock:
    """A block, and the map that comes into it."""

    block: Block
    side: int
    """Side of the map that comes in, in cells."""

    @property
    def key(self) -> str:
        """As a table names it: `1x1 64>384, 5x5dw 384/2, 1x1 384>128 @16` is an inverted residual that takes
        16 x 16 cells with 64 channels; a `+` at the end is its shortcut."""
        parts = ", ".join(_in_words(convolution) for convolution in self.block.convolutions)
        return f"{parts} @{self.side}{' +' if self.block.shortcut else ''}"

    def work(self) -> NDArray[np.float64]:
        """What it does for one image, float64 (len(WORK),), in the order and the units of WORK."""
        pointwise = depthwise = dense = weights = activations = 0
        side = self.side
        for convolution in self.block.convolutions:
            side = convolution.side(side)
            macs = convolution.weights * side**2
            weights += convolution.weights
            activations += convolution.outputs * side**2
            if convolution.groups > 1:
                depthwise += macs
            elif convolution.kernel == 1:
                pointwise += macs
            else:
                dense += macs
        millions = (pointwise / 1e6, depthwise / 1e6, dense / 1e6)
        return np.array([1.0, *millions, weights / 1e3, activations / 1e3])


def placed_blocks(architecture: str, *, size: int, channels: int) -> tuple[PlacedBlock, ...]:
    """The blocks of a searched network in their order, the stem first; what costs nothing is not among them.

    Args:
        architecture: as `models.registry.build` takes it.
        size: side of the network's input, in pixels.
        channels: planes of the exported network's input.

    Raises:
        UsageError: not the name of a searched network.
    """
    network = spec(architecture, channels=channels)
    if network is None:
        raise UsageError(
            f"{architecture!r} is no searched network, so its blocks are not known; give one like "
            "macro-12122122"
        )
    placed = []
    for block in network.blocks:
        placed.append(PlacedBlock(block=block, side=size))
        size = block.side(size)
    return tuple(placed)


def _in_words(convolution: Convolution) -> str:
    side = f"{convolution.kernel}x{convolution.kernel}"
    stride = f"/{convolution.stride}" if convolution.stride > 1 else ""
    if convolution.groups > 1:
        return f"{side}dw {convolution.outputs}{stride}"
    return f"{side} {convolution.inputs}>{convolution.outputs}{stride}"
