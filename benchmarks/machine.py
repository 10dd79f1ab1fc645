"""The machine a benchmark ran on, and its own limit: the FP32 multiply-accumulates it can do in a second."""

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..runtime.doctor import examine

PEAK_SIDE = 1536
"""Side of the square matrices: 28 MB of them, large enough for the product to be bound by arithmetic."""


@dataclass(frozen=True, kw_only=True)
class PeakProbe:
    """Measures the FP32 peak by a matrix product, in a process of its own."""

    def open(self) -> "PeakProbe":
        """Nothing to load."""
        return self

    def measure(self, duration_s: float = 1.0) -> float:
        """GMAC/s of the fastest of several products of two FP32 matrices, on all threads.

        The fastest, since whatever else the machine does can only take away from the peak.
        """
        left, right = np.random.default_rng(0).random((2, PEAK_SIDE, PEAK_SIDE), dtype=np.float32)
        result = np.empty_like(left)
        fastest, until = float("inf"), perf_counter() + duration_s
        while perf_counter() < until or fastest == float("inf"):
            start = perf_counter()
            np.matmul(left, right, out=result)
            fastest = min(fastest, perf_counter() - start)
        return float(PEAK_SIDE**3 / fastest / 1e9)


def machine_facts() -> dict[str, Any]:
    """CPU, cores, instruction sets, libraries, system, and how busy the machine is now."""
    found = examine()
    return {
        "cpu": found.cpu,
        "cores": found.cores,
        "memory_mb": found.memory_mb,
        "features": list(found.features),
        "system": found.system,
        "python": found.python,
        "libraries": found.libraries,
        # Other work takes cores from every variant; a reader has to see it.
        "load_average": round(os.getloadavg()[0], 2),
    }
