"""Latencies that were measured before: a file beside the finals, so that nothing is measured twice."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...runtime.files import write_file
from ..hardware.real import RealLatency, Stopwatch
from ..hardware.table import this_machine


class MeasuredBefore:
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
            facts = {key: latency.to_json() for key, latency in self._known.items()}
            write_file(self._path, json.dumps(facts, indent=2) + "\n", force=True)
        return [self._known[self._key(name)] for name in names]

    def _key(self, name: str) -> str:
        return f"{name}: {self._context}"

    def _read(self) -> dict[str, RealLatency]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(key): _latency(one) for key, one in facts.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _latency(facts: Mapping[str, float | None]) -> RealLatency:
    measured, then, predicted = facts["measured_ms"], facts["latency_ms"], facts["predicted_ms"]
    if measured is None or then is None:
        raise ValueError("a latency must be measured.")
    return RealLatency(
        measured_ms=float(measured),
        latency_ms=float(then),
        predicted_ms=None if predicted is None else float(predicted),
    )
