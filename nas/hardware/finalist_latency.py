"""Latency of finalists, measured beside networks of the table, so that both speak of the same machine."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...runtime.files import write_file
from ...runtime.schema import from_facts, to_facts
from ..space import Space
from .graphs import GraphSettings, untrained_network
from .interleaved_timing import Timed, Timings, time_networks
from .latency_table import LatencyTable, Measured, this_machine

ROUNDS = 60


@dataclass(frozen=True, kw_only=True)
class RealLatency:
    """Measured latency of one network."""

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
        """Plain JSON values."""
        return {**asdict(self), "error": self.error}


class Stopwatch:
    """Measures networks beside a table's anchors, which are exported once.

    Args:
        settings: precision, classes and threads; those of the table, where there is one.
        table: whose predictions are to be compared, and whose machine state is meant.
        rounds: how often each network is measured.
    """

    def __init__(
        self, settings: GraphSettings, table: LatencyTable | None = None, *, rounds: int = ROUNDS
    ) -> None:
        self.settings, self.table, self.rounds = settings, table, rounds

    def measure_codes(self, space: Space, codes: Sequence[str]) -> list[RealLatency]:
        """Export networks of a space with fresh weights, and measure them.

        Raises:
            CheckpointError: a network cannot be exported.
            DependencyError: torch, onnx or nncf is not installed.
        """
        named = [(space.architecture(code), space.input_size(code)) for code in codes]
        networks = [untrained_network(architecture, size, self.settings) for architecture, size in named]
        table = self.table
        predictions = [None if table is None else table.predict_ms(*one) for one in named]
        return self.measure(networks, predictions)

    def measure(self, networks: Sequence[Timed], predicted_ms: Sequence[float | None]) -> list[RealLatency]:
        """Measure networks that are open already, with as many threads as the settings say.

        Args:
            networks: to be measured in turns.
            predicted_ms: what a table says of each.
        """
        if not networks:
            return []
        timings = time_networks(
            [*networks, *self._anchors], rounds=self.rounds, threads=self.settings.threads
        )
        drift = Drift.between(self.table, timings)
        return [
            RealLatency(measured_ms=float(ms), latency_ms=drift.then_ms(float(ms)), predicted_ms=predicted)
            for ms, predicted in zip(timings.latency_ms, predicted_ms, strict=False)
        ]

    @cached_property
    def _anchors(self) -> list[Timed]:
        table = self.table
        if table is None:
            return []
        return [untrained_network(n.architecture, n.size, table.settings) for n in _ends(table)]


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
        """Latency at the time of the table; that of a network faster than the small anchor stays above 0."""
        return max(self.offset_ms + self.slope * now_ms, 0.1 * now_ms)


def _ends(table: LatencyTable) -> tuple[Measured, Measured]:
    ordered = sorted(table.networks, key=lambda network: network.latency_ms)
    return ordered[0], ordered[-1]


class LatencyCache:
    """Latencies by what was measured, with what, against which table and on which machine.

    Args:
        path: the file; what cannot be read of it is measured anew.
        stopwatch: its settings and its table are part of what a latency is of.
    """

    def __init__(self, path: Path, stopwatch: Stopwatch) -> None:
        self._path = path
        settings, table = stopwatch.settings, stopwatch.table
        against = "no table" if table is None else f"table {table.blocks.fixed_ms!r} {table.margin!r}"
        here = this_machine()
        # A search may be moved to the device that it was made for.
        machine = f"{here['cpu']}, {here['cores']} cores, OpenVINO {here['openvino']}"
        self._context = f"{settings.precision}, {settings.threads} threads, {against}, {machine}"
        self._known = self._read()

    def of(
        self, names: Sequence[str], measure: Callable[[list[str]], Sequence[RealLatency]]
    ) -> list[RealLatency]:
        """The latency of each name; those not known are measured together.

        Args:
            names: a code, or a bundle's digest.
            measure: gives the latencies of some of the names, in their order.

        Raises:
            OutputError: the disk refused.
        """
        unknown = [name for name in names if self._key(name) not in self._known]
        if unknown:
            for name, latency in zip(unknown, measure(unknown), strict=True):
                self._known[self._key(name)] = latency
            facts = to_facts(self._known)
            write_file(self._path, json.dumps(facts, indent=2) + "\n", force=True)
        return [self._known[self._key(name)] for name in names]

    def _key(self, name: str) -> str:
        return f"{name}: {self._context}"

    def _read(self) -> dict[str, RealLatency]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
            # Files from before 0.2 hold the error of the prediction, too.
            return {
                key: from_facts(RealLatency, {k: v for k, v in one.items() if k != "error"})
                for key, one in facts.items()
            }
        except (OSError, ValueError, AttributeError):
            return {}
