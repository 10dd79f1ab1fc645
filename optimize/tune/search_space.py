"""The search space of a tuning: precision x crop plan x engine x threads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ...runtime.images.crops import SHARED_PLANS
from ...runtime.requires import install_line
from .settings import TuneSettings

Precision = Literal["FP32", "BF16", "INT8"]
TITLES = {"torch": "PyTorch eager", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One function from an image to probabilities: what a bundle holds, whatever engine runs it."""

    precision: Precision
    crops: str
    preset: str | None = None
    """NNCF's, for INT8."""
    layers_back: int = 0
    """Layers returned to floating point."""

    @property
    def key(self) -> str:
        """Its name in a file system, `int8-performance-ten-shared`."""
        back = f"back{self.layers_back}" if self.layers_back else ""
        return "-".join(part for part in (self.precision.lower(), self.preset, back, self.crops) if part)

    @property
    def title(self) -> str:
        """Its name in a table, `INT8 mixed ten-shared`; the preset `performance` goes without saying."""
        preset = None if self.preset == "performance" else self.preset
        back = f"{self.layers_back} back" if self.layers_back else ""
        return " ".join(part for part in (self.precision, preset, back, self.crops) if part)

    @property
    def family(self) -> str:
        """Plans whose network is the same, so that one calibration serves them all."""
        return "shared" if self.crops in SHARED_PLANS else "exact"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A variant: a graph, what runs it, and on how many threads."""

    graph: Graph
    engine: str
    """torch, openvino or onnxruntime."""
    threads: int | None = None

    @property
    def name(self) -> str:
        """The name in tables and reports, `OpenVINO INT8 ten-shared, 1 thread`."""
        name = f"{TITLES[self.engine]} {self.graph.title}"
        return name if self.threads is None else f"{name}, {self.threads} thread{'s' * (self.threads != 1)}"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The limits that the source and the machine set to the search space."""

    crops: tuple[str, ...]
    """Plans that the source can be exported in."""
    source: str
    """Name of the source, for reasons."""
    bfloat16: bool
    """Whether the CPU computes in BF16."""
    onnxruntime: bool
    """Whether ONNX Runtime is installed."""
    train_split: bool
    """Whether there is a train split, which INT8 needs."""


def list_candidates(settings: TuneSettings, capabilities: Capabilities) -> list[tuple[Candidate, str | None]]:
    """All variants of the settings, each with the reason why it is left out, or None."""
    return [
        (candidate, _left_out(candidate, capabilities))
        for graph in _graphs(settings)
        for candidate in candidates_of(graph, settings)
    ]


def candidates_of(graph: Graph, settings: TuneSettings) -> list[Candidate]:
    """The variants of a graph: engines x threads. BF16 is OpenVINO's alone, which is told to compute so."""
    engines = [name for name in settings.engines if graph.precision != "BF16" or name == "openvino"]
    return [
        Candidate(graph=graph, engine=engine, threads=threads)
        for engine in engines
        for threads in settings.threads
    ]


def _graphs(settings: TuneSettings) -> Iterator[Graph]:
    for crops in settings.crops:
        yield Graph(precision="FP32", crops=crops)
        yield Graph(precision="BF16", crops=crops)
        for preset in settings.presets:
            yield Graph(precision="INT8", crops=crops, preset=preset)


def _left_out(candidate: Candidate, capabilities: Capabilities) -> str | None:
    graph = candidate.graph
    if graph.crops not in capabilities.crops:
        plans = ", ".join(capabilities.crops)
        return f"{capabilities.source} is a bundle of {plans}; other plans need the checkpoint"
    if graph.precision == "BF16" and not capabilities.bfloat16:
        return "this CPU does not compute in BF16 (no AVX-512 BF16, no AMX), it would run as FP32"
    if graph.precision == "INT8" and not capabilities.train_split:
        return "no train split to calibrate on"
    if candidate.engine == "onnxruntime" and not capabilities.onnxruntime:
        return f"ONNX Runtime is not installed; install it with: {install_line('onnxruntime')}"
    return None
