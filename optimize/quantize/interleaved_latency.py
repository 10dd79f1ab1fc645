"""Latencies of a few graphs on this machine, image by image in turns, so that its load is shared."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.measurement import balanced_orders
from ...runtime.backends.base import Backend
from ...runtime.console import progress

WARM_UP = 2
ROUNDS = 20
LONGEST_S = 60.0
"""No further round begins after this, once there are a few."""
_FEWEST = 5


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The latency of one image, in milliseconds."""

    median: float
    p10: float
    p90: float
    rounds: int

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"p50": self.median, "p10": self.p10, "p90": self.p90, "rounds": self.rounds}


def interleaved_latency(
    backends: Mapping[str, Backend], images_NHW: NDArray[np.uint8], *, rounds: int = ROUNDS
) -> dict[str, Latency]:
    """Latencies of backends that take turns.

    Args:
        backends: by name.
        images_NHW: uint8 (N, size, size), N at least 1, used in turn.
        rounds: how often each answers.
    """
    names = list(backends)
    for name in names:
        for _ in range(WARM_UP):
            backends[name].infer(images_NHW[0])
    taken: dict[str, list[float]] = {name: [] for name in names}
    # None always follows the same neighbour.
    orders = balanced_orders(len(names))
    began = time.perf_counter()
    for number in progress(range(rounds), label="latency", total=rounds):
        if number >= _FEWEST and time.perf_counter() - began > LONGEST_S:
            break
        for name in (names[place] for place in orders[number % len(orders)]):
            since = time.perf_counter()
            backends[name].infer(images_NHW[number % len(images_NHW)])
            taken[name].append(1000 * (time.perf_counter() - since))
    return {name: _summary(values) for name, values in taken.items()}


def _summary(values: list[float]) -> Latency:
    p10, p50, p90 = np.percentile(values, [10, 50, 90]).tolist()
    return Latency(median=p50, p10=p10, p90=p90, rounds=len(values))
