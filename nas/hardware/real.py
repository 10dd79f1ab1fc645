"""Latency of finalists, measured beside networks of the table, so that both speak of the same machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..space import Space
from .clock import Timed, Timings, time_networks
from .graphs import GraphSettings, untrained_network
from .table import LatencyTable, Measured

ROUNDS = 60


@dataclass(frozen=True, kw_only=True)
class RealLatency:
    """What one network took."""

    measured_ms: float
    """Here and now, on a machine left alone as far as can be told (see clock)."""
    latency_ms: float
    """The same on the machine as it was when the table was measured: the two anchors, the smallest and the
    largest network of the table, were measured in the same rounds, and say how much slower or faster the
    machine is now. Equal to `measured_ms` without a table. Limits are held against this one."""
    predicted_ms: float | None = None
    """By the table, without seeing it."""

    @property
    def error(self) -> float | None:
        """Relative, of the prediction."""
        return None if self.predicted_ms is None else self.latency_ms / self.predicted_ms - 1

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "measured_ms": self.measured_ms,
            "latency_ms": self.latency_ms,
            "predicted_ms": self.predicted_ms,
            "error": self.error,
        }


def measure_codes(
    space: Space,
    codes: Sequence[str],
    *,
    settings: GraphSettings,
    table: LatencyTable | None = None,
    rounds: int = ROUNDS,
) -> list[RealLatency]:
    """Export networks with fresh weights, and measure them.

    Args:
        space: theirs.
        codes: networks of the space.
        settings: precision, classes and threads; those of the table, where there is one.
        table: whose predictions are to be compared.
        rounds: how often each is measured.

    Raises:
        CheckpointError: a network cannot be exported.
        DependencyError: torch, onnx or nncf is not installed.
    """
    networks = [untrained_network(space.architecture(c), space.input_size(c), settings) for c in codes]
    predictions: list[float | None] = [None] * len(codes)
    if table is not None:
        predictions = [table.predict_ms(space.architecture(c), space.input_size(c)) for c in codes]
    return measure_networks(networks, predictions, threads=settings.threads, table=table, rounds=rounds)


def measure_networks(
    networks: Sequence[Timed],
    predicted_ms: Sequence[float | None],
    *,
    threads: int,
    table: LatencyTable | None = None,
    rounds: int = ROUNDS,
) -> list[RealLatency]:
    """Measure networks that are open already.

    Args:
        networks: opened with `threads` threads.
        predicted_ms: what a table says of each.
        threads: 1 counts CPU time, more count wall time.
        table: whose machine state is meant.
        rounds: how often each is measured.
    """
    if not networks:
        return []
    anchors = [] if table is None else _anchors(table)
    timings = time_networks([*networks, *anchors], rounds=rounds, threads=threads)
    drift = Drift.between(table, timings)
    return [
        RealLatency(measured_ms=float(ms), latency_ms=drift.then_ms(float(ms)), predicted_ms=predicted)
        for ms, predicted in zip(timings.latency_ms, predicted_ms, strict=False)
    ]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """From a latency now to what it would have been when the table was measured: a straight line."""

    offset_ms: float = 0.0
    slope: float = 1.0

    @classmethod
    def between(cls, table: LatencyTable | None, timings: Timings) -> "Drift":
        """The line through the table's two anchors, which are the last two networks of the timings."""
        if table is None:
            return cls()
        small_ms, large_ms = (network.latency_ms for network in _ends(table))
        now_small_ms, now_large_ms = map(float, timings.latency_ms[-2:])
        if not now_large_ms > now_small_ms or not large_ms > small_ms:
            # Anchors that cannot be told apart give a factor, and no line.
            return cls(slope=float(np.sqrt(small_ms * large_ms / (now_small_ms * now_large_ms))))
        slope = (large_ms - small_ms) / (now_large_ms - now_small_ms)
        return cls(offset_ms=small_ms - slope * now_small_ms, slope=slope)

    def then_ms(self, now_ms: float) -> float:
        """What took `now_ms` now, then; a network faster than the small anchor stays above nothing."""
        return max(self.offset_ms + self.slope * now_ms, 0.1 * now_ms)


def _anchors(table: LatencyTable) -> list[Timed]:
    return [untrained_network(n.architecture, n.size, table.settings) for n in _ends(table)]


def _ends(table: LatencyTable) -> tuple[Measured, Measured]:
    ordered = sorted(table.networks, key=lambda network: network.latency_ms)
    return ordered[0], ordered[-1]
