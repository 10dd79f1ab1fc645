"""The table of block latencies of one machine: what it was measured on, what it predicts, how well.

A table is JSON. It belongs to a machine, an OpenVINO version, a precision and a number of threads; with any
of these different it would predict another computer.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.latency import in_words
from ...runtime.console import table as text_table
from ...runtime.errors import DataError, UsageError
from ...runtime.files import write_file
from ...runtime.schema import from_json
from ..space import Space
from .blocks import WORK, BlockLatencies, placed_blocks
from .graphs import CHANNELS, GraphSettings

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One network of the table."""

    code: str
    architecture: str
    size: int
    """Side of its input in pixels."""
    latency_ms: float
    """Measured."""
    predicted_ms: float
    """By a fit that has not seen it."""

    @property
    def error(self) -> float:
        """By how much it is slower than predicted, relative; negative where it is faster."""
        return self.latency_ms / self.predicted_ms - 1


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """Block latencies with all that is needed to judge them."""

    space: str
    """Name of the space whose networks were measured."""
    settings: GraphSettings
    """Precision, classes and threads."""
    machine: Mapping[str, Any]
    """Of `this_machine`, when it was measured."""
    blocks: BlockLatencies
    networks: tuple[Measured, ...]
    """What it was fitted to."""
    shapes: Mapping[str, float]
    """Milliseconds of every shape of block that was measured, by its key."""
    rounds: int
    repeat_error: float
    """What the measurement itself is uncertain by, relative (see clock.Timings)."""
    disturbance: float
    """How busy the machine was (see clock.Timings)."""

    @cached_property
    def median_error(self) -> float:
        """Median relative error of held-out predictions."""
        return float(np.median([abs(network.error) for network in self.networks]))

    @cached_property
    def p90_error(self) -> float:
        """Relative error that nine of ten held-out predictions stay within."""
        return float(np.percentile([abs(network.error) for network in self.networks], 90))

    @cached_property
    def margin(self) -> float:
        """By how much nine of ten networks are slower than predicted at most, relative; at least 0."""
        return max(0.0, float(np.percentile([network.error for network in self.networks], 90)))

    def predict_ms(self, architecture: str, size: int) -> float:
        """Latency of one image, in milliseconds; nothing is built.

        Args:
            architecture: of a searched network, as `Space.architecture` names it.
            size: side of its input in pixels.

        Raises:
            UsageError: not the name of a searched network.
        """
        return self.blocks.network_ms(placed_blocks(architecture, size=size, channels=CHANNELS))

    def check_space(self, space: Space) -> None:
        """Check that networks like those of a space were measured: beyond them its errors say nothing.

        Raises:
            UsageError: they were of another space, or of another input size.
        """
        size = space.input_size(space.canonical("0" * len(space.choices)))
        sizes = sorted({network.size for network in self.networks})
        if self.space == space.name and sizes[0] <= size <= sizes[-1]:
            return
        wanted = f"--space {space.name}" + (f" --size {size}" if space.name == "macro" else "")
        raise UsageError(
            f"the latency table is of space {self.space} at {'/'.join(map(str, sizes))} pixels, the search "
            f"of {space.name} at {size}; measure one: xopt nas latency --out TABLE.json {wanted}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": SCHEMA,
            "space": self.space,
            **asdict(self.settings),
            "machine": dict(self.machine),
            "rounds": self.rounds,
            "repeat_error": self.repeat_error,
            "disturbance": self.disturbance,
            "median_error": self.median_error,
            "p90_error": self.p90_error,
            "margin": self.margin,
            "fixed_ms": self.blocks.fixed_ms,
            "rates_ms": dict(zip(WORK, self.blocks.rates_ms, strict=True)),
            "corrections_ms": dict(self.blocks.corrections_ms),
            "blocks_ms": dict(self.shapes),
            "networks": [asdict(network) for network in self.networks],
        }

    def to_text(self) -> str:
        """Blocks with their latencies, then how far predictions can be trusted."""
        rows = [[key, f"{latency_ms:.4f}"] for key, latency_ms in self.shapes.items()]
        rows.append(["every network, beyond its blocks", f"{self.blocks.fixed_ms:.4f}"])
        return "\n".join([text_table(["block", "ms"], rows), "", *self.sentences()])

    def sentences(self) -> list[str]:
        """Plain statements on the measurement, its machine and the error of predictions."""
        latencies = [network.latency_ms for network in self.networks]
        settings, machine = self.settings, self.machine
        sizes = "/".join(map(str, sorted({network.size for network in self.networks})))
        threads = "1 thread, CPU time" if settings.threads == 1 else f"{settings.threads} threads, wall time"
        return [
            f"{len(latencies)} {settings.precision} networks of space {self.space} at {sizes} pixels, "
            f"{in_words(min(latencies))} to {in_words(max(latencies))} ms; {self.rounds} rounds, {threads}.",
            f"{machine['cpu']}, {machine['cores']} cores, OpenVINO {machine['openvino'].split('-')[0]}.",
            f"Predictions of networks held out of the fit: median error {self.median_error:.1%}, nine of ten "
            f"within {self.p90_error:.1%}; margin for limits {self.margin:.1%}.",
            f"The measurement repeats within {self.repeat_error:.1%}; the machine was {self.disturbance:.0%} "
            "slower than left alone, which was taken out.",
        ]


@dataclass(frozen=True, kw_only=True)
class _Machine:
    """The identity of the machine, as `this_machine` returns it."""

    cpu: str
    cores: int
    features: list[str]
    openvino: str


@dataclass(frozen=True, kw_only=True)
class _Document:
    """A table's file; the three errors that follow from the networks are there for readers."""

    schema: int
    space: str
    precision: str
    classes: int
    threads: int
    machine: _Machine
    rounds: int
    repeat_error: float
    disturbance: float
    median_error: float
    p90_error: float
    margin: float
    fixed_ms: float
    rates_ms: dict[str, float]
    corrections_ms: dict[str, float]
    blocks_ms: dict[str, float]
    networks: tuple[Measured, ...]

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema} is not {SCHEMA}.")
        if set(self.rates_ms) != set(WORK):
            raise ValueError(f"rates_ms must name {', '.join(WORK)}, got {', '.join(self.rates_ms)}.")

    def table(self) -> LatencyTable:
        return LatencyTable(
            space=self.space,
            settings=GraphSettings(precision=self.precision, classes=self.classes, threads=self.threads),
            machine=asdict(self.machine),
            blocks=BlockLatencies(
                fixed_ms=self.fixed_ms,
                rates_ms=tuple(self.rates_ms[name] for name in WORK),
                corrections_ms=self.corrections_ms,
            ),
            networks=self.networks,
            shapes=self.blocks_ms,
            rounds=self.rounds,
            repeat_error=self.repeat_error,
            disturbance=self.disturbance,
        )


def this_machine() -> dict[str, Any]:
    """Identity of this machine: the CPU, its cores and instruction sets, and OpenVINO's version."""
    from ...runtime.backends.openvino import import_openvino
    from ...runtime.doctor import examine

    found = examine()
    return {
        "cpu": found.cpu,
        "cores": found.cores,
        "features": list(found.features),
        "openvino": import_openvino().get_version(),
    }


def save_table(table: LatencyTable, path: Path, *, force: bool = False) -> None:
    """Write a table.

    Raises:
        OutputError: something is there already, or the disk refused.
    """
    write_file(path, json.dumps(table.to_json(), indent=2, allow_nan=False) + "\n", force=force)


def load_table(path: str | Path, *, any_machine: bool = False) -> LatencyTable:
    """Read a table that was measured on this machine.

    Args:
        path: a file of `xopt nas latency`.
        any_machine: take one of another machine too; it predicts that machine.

    Raises:
        DataError: no such file, no such table, or one of another machine; the message says what differs.
    """
    again = "measure one here: xopt nas latency --out TABLE.json"
    try:
        table = from_json(_Document, Path(path).read_bytes()).table()
    except OSError as error:
        raise DataError(f"cannot read latency table {path}: {error.strerror or error}; {again}") from error
    except ValueError as error:
        raise DataError(f"{path} is no latency table of xopt ({error}); {again}") from error
    if not any_machine:
        _check_machine(table, path, again)
    return table


def _check_machine(table: LatencyTable, path: str | Path, again: str) -> None:
    here = this_machine()
    different = [
        f"{name} {_said(table.machine[name])}, here {_said(here[name])}"
        for name in here
        if table.machine[name] != here[name]
    ]
    if different:
        raise DataError(
            f"latency table {path} was measured elsewhere ({'; '.join(different)}); {again}, or predict that "
            "machine with --any-machine"
        )


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
