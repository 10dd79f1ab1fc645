"""Latencies of many networks, measured in turns on a machine that may be busy.

Networks are run in short bursts, in a new order every round. On one thread the clock is the CPU time of this
process: what other programs take of the core does not count, which is what makes tenths of a millisecond
measurable beside other work; on more threads it is the wall. What slows the whole machine (its clock
frequency, its neighbours' use of the caches) slows all networks of a round alike, so each round gets a
factor of its own (median polish, Tukey 1977), and a network's latency is given at the factor of quiet rounds.

Shapes: N networks, R rounds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...runtime.console import progress

BURST = 4
"""Inferences in a row that count; one before them warms the caches and does not."""
_QUIET = 10
"""Percentile of the rounds' factors that stands for a machine left alone."""
_SWEEPS = 20


class Timed(Protocol):
    """A backend, or anything else that answers images and can be timed."""

    input_shape: tuple[int, ...]
    """(1, H, W)."""

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answer for one uint8 image (H, W)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Timings:
    """Results of a measurement."""

    latency_ms: NDArray[np.float64]
    """Of one image on a machine left alone, float64 (N,)."""
    repeat_error: float
    """By how much the latencies of even and odd rounds differ, relative, in the median over networks: what
    the measurement itself is uncertain by."""
    disturbance: float
    """How much slower than in quiet rounds the machine was in the median round: 0.2 is a fifth."""


def time_networks(networks: Sequence[Timed], *, rounds: int, threads: int, seed: int = 0) -> Timings:
    """Measure networks against each other.

    Args:
        networks: N of them, each opened with `threads` threads.
        rounds: R, at least 2.
        threads: 1 counts CPU time, more count wall time.
        seed: of the images and of the orders.

    Raises:
        ValueError: fewer than two rounds.
    """
    if rounds < 2:
        raise ValueError(f"rounds must be at least 2, got {rounds}.")
    random = np.random.default_rng(seed)
    images = [random.integers(0, 256, network.input_shape[1:], dtype=np.uint8) for network in networks]
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    times_NR = np.empty((len(networks), rounds))
    for turn in progress(range(rounds), label="Measuring", total=rounds):
        for index in random.permutation(len(networks)):
            times_NR[index, turn] = _burst(networks[index], images[index], clock)
    return summarise(times_NR)


def summarise(times_ms_NR: NDArray[np.float64]) -> Timings:
    """Latencies from the time of every network in every round.

    Args:
        times_ms_NR: above 0, float64 (N, R), R at least 2.
    """
    logs_NR = np.log(times_ms_NR)
    networks_N, rounds_R = polish(logs_NR)
    even_N, odd_N = (polish(logs_NR[:, start::2])[0] for start in (0, 1))
    # A factor that all networks share says nothing of how well they are told apart.
    halves_N = (even_N - np.median(even_N)) - (odd_N - np.median(odd_N))
    quiet = float(np.percentile(rounds_R, _QUIET))
    return Timings(
        latency_ms=np.exp(networks_N + quiet),
        repeat_error=float(np.median(np.abs(halves_N))),
        disturbance=float(np.exp(np.median(rounds_R) - quiet) - 1),
    )


def polish(values_NR: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns that add up to a table as well as medians can: float64 (N,) and (R,)."""
    rows_N = np.median(values_NR, axis=1)
    columns_R = np.zeros(values_NR.shape[1])
    for _ in range(_SWEEPS):
        columns_R = np.median(values_NR - rows_N[:, np.newaxis], axis=0)
        rows_N = np.median(values_NR - columns_R, axis=1)
    return rows_N, columns_R


def _burst(network: Timed, image_HW: NDArray[np.uint8], clock: Callable[[], int]) -> float:
    """Median milliseconds of a burst."""
    network.infer(image_HW)
    taken = []
    for _ in range(BURST):
        started = clock()
        network.infer(image_HW)
        taken.append(clock() - started)
    return float(np.median(taken)) / 1e6
