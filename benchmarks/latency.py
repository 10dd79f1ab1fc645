"""Latencies: their percentiles, and how many times faster one variant is than another.

Shapes: N images, R replicates.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.bootstrap import Interval

_BLOCK_BYTES = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Percentiles of single-image latencies, in milliseconds."""

    p50: float
    p90: float
    p99: float

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Speedup:
    """Median latency of the reference over that of the variant."""

    ratio: float
    interval: Interval
    """95 %: how far the ratio moves when images are drawn anew. It says nothing of other machines."""


def percentiles(latency_ms_N: NDArray[np.float64]) -> Percentiles:
    """The usual three, interpolated linearly between the two nearest images."""
    p50, p90, p99 = np.percentile(latency_ms_N, [50, 90, 99]).tolist()
    return Percentiles(p50=p50, p90=p90, p99=p99)


def in_words(latency_ms: float) -> str:
    """Three digits, and never an exponent."""
    return f"{latency_ms:.0f}" if latency_ms >= 100 else f"{latency_ms:.3g}"


def speedup(
    reference_ms_N: NDArray[np.float64],
    candidate_ms_N: NDArray[np.float64],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Speedup:
    """The ratio of medians, with a bootstrap interval over images; both are drawn together.

    Args:
        reference_ms_N: latencies of the reference, in the order of the images.
        candidate_ms_N: of the candidate, the same images.
        resamples: replicates.
        seed: of the draws.

    Raises:
        ValueError: not as many latencies of the one as of the other, or none.
    """
    count = len(reference_ms_N)
    if count == 0 or len(candidate_ms_N) != count:
        raise ValueError(f"latencies must be of the same images, got {count} and {len(candidate_ms_N)}.")
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_BYTES // (8 * count))
    ratios = []
    for start in range(0, resamples, block):
        drawn = generator.integers(count, size=(min(block, resamples - start), count))
        ratios.append(np.median(reference_ms_N[drawn], axis=1) / np.median(candidate_ms_N[drawn], axis=1))
    lower, upper = np.percentile(np.concatenate(ratios), [2.5, 97.5]).tolist()
    return Speedup(
        ratio=float(np.median(reference_ms_N) / np.median(candidate_ms_N)),
        interval=Interval(lower=lower, upper=upper),
    )
