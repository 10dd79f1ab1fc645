"""Latency as a sum over blocks of convolutions, fitted to whole networks that were measured.

Two blocks of the same shape take the same time wherever they stand, so a table needs one entry a shape: by
operation, channels and input resolution.

    latency = fixed + sum over blocks of (rates . work(block) + correction[shape of the block])

The rates (milliseconds per unit of work) are the same for all shapes, so that a shape never measured still
has a latency; the corrections, one a shape, take what the work does not explain. They are held small by a
ridge (Hoerl & Kennard 1970), rates and the fixed part are not negative (Lawson & Hanson 1974), and what is
made small is the relative error, as a limit of 1 ms asks for it.

Shapes: N networks, S shapes of blocks, W = len(WORK).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...models.arch_spec import Block, Convolution
from ...models.registry import spec
from ...runtime.errors import UsageError

WORK = ("blocks", "pointwise_mmacs", "depthwise_mmacs", "dense_mmacs", "weights_k", "activations_k")
"""What `PlacedBlock.work` counts: blocks; millions of multiply-accumulates in 1x1, depthwise and all other
convolutions; thousands of weights; thousands of activations written."""
RIDGE = 3.0
"""How hard corrections are held. From 0.1 to 10 the held-out error moved by less than half a per cent of
latency (docs/decisions/0082)."""


@dataclass(frozen=True, kw_only=True)
class PlacedBlock:
    """A block, and the map that comes into it."""

    block: Block
    side: int
    """Side of the map that comes in, in cells."""

    @property
    def key(self) -> str:
        """The name in a table: `1x1 64>384, 5x5dw 384/2, 1x1 384>128 @16` is an inverted residual that takes
        16 x 16 cells with 64 channels; a `+` at the end is its shortcut."""
        parts = ", ".join(_in_words(convolution) for convolution in self.block.convolutions)
        return f"{parts} @{self.side}{' +' if self.block.shortcut else ''}"

    def work(self) -> NDArray[np.float64]:
        """The work for one image, float64 (len(WORK),), in the order and the units of WORK."""
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


@dataclass(frozen=True, kw_only=True)
class BlockLatencies:
    """Latencies of blocks, as fitted."""

    fixed_ms: float
    """Of every network: input, pooling, linear layer, the call itself."""
    rates_ms: tuple[float, ...]
    """Milliseconds per unit of work, in the order of WORK."""
    corrections_ms: Mapping[str, float] = field(default_factory=dict)
    """By a block's key: what shapes that were measured take beyond their work."""

    def block_ms(self, block: PlacedBlock) -> float:
        """Latency of one block, at least 0."""
        worked = float(np.dot(self.rates_ms, block.work()))
        return max(0.0, worked + self.corrections_ms.get(block.key, 0.0))

    def network_ms(self, blocks: Sequence[PlacedBlock]) -> float:
        """Latency of a network of these blocks."""
        return self.fixed_ms + sum(self.block_ms(block) for block in blocks)


def fit(
    networks: Sequence[Sequence[PlacedBlock]], latency_ms_N: NDArray[np.float64], *, ridge: float = RIDGE
) -> BlockLatencies:
    """Fit block latencies to measured networks.

    Args:
        networks: the blocks of each of N networks.
        latency_ms_N: what each took, above 0.
        ridge: how hard corrections are held; more holds them closer to zero.

    Raises:
        ValueError: not as many latencies as networks, or fewer than two.
    """
    from scipy.optimize import nnls

    if len(networks) != len(latency_ms_N) or len(networks) < 2:
        raise ValueError(
            f"two or more networks and their latencies, got {len(networks)}, {len(latency_ms_N)}."
        )
    keys = sorted({block.key for blocks in networks for block in blocks})
    work_NW = np.array([np.sum([block.work() for block in blocks], axis=0) for blocks in networks])
    counts = [Counter(block.key for block in blocks) for blocks in networks]
    shapes_NS = np.array([[count[key] for key in keys] for count in counts], dtype=np.float64)
    scale = float(np.mean(latency_ms_N))
    # A correction of either sign is the difference of two that are not negative.
    design = np.hstack([np.ones((len(networks), 1)), work_NW, shapes_NS, -shapes_NS])
    free, held = 1 + len(WORK), len(keys)
    penalty = np.hstack([np.zeros((2 * held, free)), np.sqrt(ridge) / scale * np.eye(2 * held)])
    rows = np.vstack([design / latency_ms_N[:, np.newaxis], penalty])
    targets = np.concatenate([np.ones(len(networks)), np.zeros(2 * held)])
    solved, _ = nnls(rows, targets, maxiter=50 * rows.shape[1])
    corrections = solved[free : free + held] - solved[free + held :]
    return BlockLatencies(
        fixed_ms=float(solved[0]),
        rates_ms=tuple(map(float, solved[1:free])),
        corrections_ms=dict(zip(keys, map(float, corrections), strict=True)),
    )


def held_out_ms(
    networks: Sequence[Sequence[PlacedBlock]],
    latency_ms_N: NDArray[np.float64],
    *,
    folds: int = 8,
    ridge: float = RIDGE,
) -> NDArray[np.float64]:
    """Latency of each network as predicted by a fit that has not seen it, float64 (N,)."""
    count = len(networks)
    predicted = np.empty(count)
    for fold in range(min(folds, count)):
        out = list(range(fold, count, folds))
        kept = [index for index in range(count) if index not in out]
        fitted = fit([networks[i] for i in kept], latency_ms_N[kept], ridge=ridge)
        predicted[out] = [fitted.network_ms(networks[i]) for i in out]
    return predicted
