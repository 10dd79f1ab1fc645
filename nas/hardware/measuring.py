"""A latency table is made: networks are drawn, exported, measured in turns, and blocks are fitted to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.console import progress
from ..space import Space
from .blocks import PlacedBlock, fit, held_out_ms, placed_blocks
from .graphs import CHANNELS, GraphSettings, untrained_network
from .interleaved_timing import time_networks
from .latency_table import LatencyTable, Measured, this_machine

MIN_NETWORKS = 8
_DRAWS = 40
"""Networks drawn for every one that is measured, so that there is a choice."""


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """Settings of a table's measurement."""

    networks: int = 36
    """How many networks are exported and measured."""
    rounds: int = 100
    """How often each is measured, clock.BURST times in a row."""
    seed: int = 0
    """Of the draw and the order."""

    def __post_init__(self) -> None:
        if self.networks < MIN_NETWORKS:
            raise ValueError(f"a table needs at least {MIN_NETWORKS} networks, got {self.networks}.")
        if self.rounds < 2:
            raise ValueError(f"rounds must be at least 2, got {self.rounds}.")


def measure_table(space: Space, graphs: GraphSettings, settings: TableSettings | None = None) -> LatencyTable:
    """Measure a table on this machine.

    Args:
        space: whose networks are measured.
        graphs: precision, classes and threads.
        settings: how many networks, how often.

    Raises:
        CheckpointError: a network cannot be exported.
        DependencyError: torch, onnx, scipy or nncf is not installed.
    """
    how = settings or TableSettings()
    codes = draw_networks(space, how.networks, seed=how.seed)
    exported = export_networks(space, codes, graphs)
    timings = time_networks(exported, rounds=how.rounds, threads=graphs.threads, seed=how.seed)
    blocks = [_blocks(space, code) for code in codes]
    fitted = fit(blocks, timings.latency_ms)
    shapes = {block.key: fitted.block_ms(block) for network in blocks for block in network}
    predicted = held_out_ms(blocks, timings.latency_ms)
    return LatencyTable(
        space=space.name,
        settings=graphs,
        machine=this_machine(),
        blocks=fitted,
        networks=tuple(
            Measured(
                code=code,
                architecture=space.architecture(code),
                size=space.input_size(code),
                latency_ms=float(latency_ms),
                predicted_ms=float(predicted_ms),
            )
            for code, latency_ms, predicted_ms in zip(codes, timings.latency_ms, predicted, strict=True)
        ),
        shapes=dict(sorted(shapes.items())),
        rounds=how.rounds,
        repeat_error=timings.repeat_error,
        disturbance=timings.disturbance,
    )


def draw_networks(space: Space, count: int, *, seed: int = 0) -> list[str]:
    """Networks that tell the blocks of a space apart: the cheapest, the dearest, and others spread between.

    From many random networks those are taken that lie farthest from all taken before in the counts of their
    shapes (Gonzalez 1985), so that every shape occurs in several.

    Returns:
        `count` canonical codes, or as many as the space has.
    """
    random = np.random.default_rng(seed)
    ends = [_filled(space, 0), _filled(space, max(space.choices) - 1)]
    drawn = {
        space.canonical("".join(str(random.integers(choices)) for choices in space.choices))
        for _ in range(_DRAWS * count)
    }
    codes = list(dict.fromkeys([*ends, *sorted(drawn)]))
    blocks = [_blocks(space, code) for code in codes]
    keys = {key: column for column, key in enumerate(sorted({b.key for bs in blocks for b in bs}))}
    counts = np.zeros((len(codes), len(keys)))
    for row, network in enumerate(blocks):
        for block in network:
            counts[row, keys[block.key]] += 1
    chosen = list(range(min(count, len(ends), len(codes))))
    nearest = np.min([np.abs(counts - counts[i]).sum(1) for i in chosen], axis=0)
    while len(chosen) < min(count, len(codes)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.abs(counts - counts[chosen[-1]]).sum(1))
    return [codes[i] for i in chosen]


def export_networks(space: Space, codes: Sequence[str], settings: GraphSettings) -> list[OpenVINOBackend]:
    """Untrained networks, ready to be timed.

    Raises:
        CheckpointError: a network cannot be exported.
        DependencyError: torch, onnx or nncf is not installed.
    """
    return [
        untrained_network(space.architecture(code), space.input_size(code), settings)
        for code in progress(codes, label="Exporting", total=len(codes))
    ]


def _filled(space: Space, digit: int) -> str:
    return space.canonical("".join(str(min(digit, choices - 1)) for choices in space.choices))


def _blocks(space: Space, code: str) -> tuple[PlacedBlock, ...]:
    return placed_blocks(space.architecture(code), size=space.input_size(code), channels=CHANNELS)
