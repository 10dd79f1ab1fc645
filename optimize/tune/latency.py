"""Latencies of many variants, measured interleaved; those that can no longer be chosen drop out early.

Each variant has a process of its own and starts when the one before has gone idle, in balanced orders, as in
`xopt bench` (benchmarks.measurement). First, variants of one function are screened: what is clearly
slower than another of the same answers drops out. Then all that are left run together, with the reference.

Shapes: N images, C classes, R rounds.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.engines import Variant
from ...benchmarks.measurement import balanced_orders, evenly
from ...benchmarks.workers import Worker
from ...datasets import Split
from ...runtime.console import progress
from ...runtime.errors import XoptError
from ...runtime.images.image import prepare
from ...runtime.images.preprocessing import Preprocessing
from .selection import VariantStats, dominated

WARM_UP = 2
"""Images that each variant sees before its clock counts."""
ROUNDS = 8
"""Images of the screening."""
STREAMING = "openvino"
"""The engine that answers several images at once."""
MIN_ROUNDS = 6
"""Rounds before which no variant drops out: an interval of fewer says little."""
_RESAMPLES = 1000
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class TimedVariant:
    """A variant whose latency is measured, in a process of its own."""

    variant: Variant
    function: str
    """The function that it computes, as in `selection.VariantStats`."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of its process."""

    @property
    def name(self) -> str:
        """The variant's."""
        return self.variant.name


@dataclass(kw_only=True)
class Timings:
    """The measurements of a variant, as plain values."""

    latency_ms: list[float] = field(default_factory=list)
    """One a round; a variant that dropped out has fewer."""
    answers: list[list[float]] = field(default_factory=list)
    """Probabilities of the first rounds' images, to see that engines agree."""
    size_mb: float | None = None
    failed: str | None = None
    """The error, where it could not run."""
    dropped: str | None = None
    """Why it dropped out."""


def latency_stats(name: str, function: str, latency_ms: Sequence[float]) -> VariantStats:
    """The median latency of a variant with a bootstrap interval over images, and the 90th percentile."""
    values_N = np.asarray(latency_ms, dtype=np.float64)
    drawn_RN = np.random.default_rng(_SEED).integers(len(values_N), size=(_RESAMPLES, len(values_N)))
    lower, upper = np.percentile(np.median(values_N[drawn_RN], axis=1), [2.5, 97.5])
    median, p90 = np.percentile(values_N, [50, 90])
    return VariantStats(
        name=name,
        function=function,
        median_ms=float(median),
        lower_ms=float(lower),
        upper_ms=float(upper),
        p90_ms=float(p90),
    )


class LatencyBenchmark:
    """Variants in processes of their own, measured interleaved. Use as a context manager.

    Args:
        split: its images are run, evenly spread.
        preprocessing: for the size of the images.
        rounds: images in all.
        reference: the variant that never drops out: others are compared with it.
    """

    def __init__(self, split: Split, preprocessing: Preprocessing, *, rounds: int, reference: str) -> None:
        self._split = split
        self._reference = reference
        self._preprocessing = preprocessing
        self._indices = evenly(len(split), rounds)
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}
        self.times: dict[str, Timings] = {}
        self.decode_ms: list[float] = []
        """From an image file to the resized image, in this process."""

    def __enter__(self) -> "LatencyBenchmark":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def start(self, variants: Sequence[TimedVariant]) -> list[TimedVariant]:
        """Start variants one after the other and warm them up; one that cannot run is noted and left out."""
        running = []
        for timed in variants:
            times = self.times.setdefault(timed.name, Timings())
            worker = self._stack.enter_context(
                Worker(timed.name, timed.variant, environment=timed.environment)
            )
            try:
                for index in range(WARM_UP):
                    worker.call("infer", self._image(index % len(self._indices)))
                    worker.settle()
                times.size_mb = worker.call("describe").value[2]
            except XoptError as error:
                times.failed = str(error)
                worker.close()
                continue
            self._workers[timed.name] = worker
            running.append(timed)
        return running

    def run(
        self, variants: Sequence[TimedVariant], *, rounds: int, label: str, drop: bool
    ) -> list[TimedVariant]:
        """Run variants interleaved over the first images.

        Args:
            variants: started ones.
            rounds: images.
            label: of the progress bar.
            drop: let variants drop out that are clearly slower than another of the same function.

        Returns:
            those that are still in it.
        """
        left = list(variants)
        for timed in left:
            self.times[timed.name].latency_ms = []
            self.times[timed.name].answers = []
        orders = balanced_orders(len(left)) if left else []
        for number in progress(range(min(rounds, len(self._indices))), label=label):
            self._round(left, orders[number % len(orders)], number)
            if drop and number + 1 >= MIN_ROUNDS and len(left) > 1:
                left = self._drop(left)
                orders = balanced_orders(len(left))
        return left

    def files(
        self,
        variants: Sequence[TimedVariant],
        *,
        rounds: int,
        count: int,
        streams: Sequence[int | None] = (None,),
    ) -> dict[str, list[dict[str, Any]]]:
        """Image files a second, from file to answer.

        Args:
            variants: started ones.
            rounds: figures of each.
            count: files of a round.
            streams: images at once, in turn; None leaves it to the engine, and so does an engine that
                works through files one by one.

        Returns:
            for each variant and number of streams `streams` and `files_per_second`, one figure a round.
        """
        sources = [self._split.source(index) for index in evenly(len(self._split), count)]
        files = [source if isinstance(source, np.ndarray) else str(source) for source in sources]
        ways = [
            (timed.name, at_once)
            for timed in variants
            for at_once in (streams if timed.variant.engine == STREAMING else (None,))
        ]
        rates: dict[tuple[str, int | None], list[float]] = {way: [] for way in ways}
        for name, at_once in ways:
            # A stream may compile its own form of the graph at its first image.
            self._workers[name].call("infer_files", files[:1], at_once)
        orders = balanced_orders(len(ways))
        for number in progress(range(rounds), label="from files"):
            for position in orders[number % len(orders)]:
                name, at_once = ways[position]
                answer = self._workers[name].call("infer_files", files, at_once)
                self._workers[name].settle()
                rates[name, at_once].append(len(files) / answer.seconds)
        return {
            timed.name: [
                {"streams": at_once, "files_per_second": rates[name, at_once]}
                for name, at_once in ways
                if name == timed.name
            ]
            for timed in variants
        }

    def macs(self, timed: TimedVariant) -> int:
        """Multiply-accumulates of one image."""
        counted: int = self._workers[timed.name].call("macs").value
        return counted

    def to_json(self) -> dict[str, Any]:
        """The measurements as plain JSON values."""
        return {
            "times": {name: dict(vars(times)) for name, times in self.times.items()},
            "decode_ms": self.decode_ms,
        }

    def _round(self, left: Sequence[TimedVariant], order: Sequence[int], number: int) -> None:
        image_HW = self._image(number)
        for position in order:
            name = left[position].name
            answer = self._workers[name].call("infer", image_HW)
            self._workers[name].settle()
            self.times[name].latency_ms.append(answer.seconds * 1e3)
            self.times[name].answers.append(np.asarray(answer.value, dtype=np.float64).tolist())

    def _drop(self, left: Sequence[TimedVariant]) -> list[TimedVariant]:
        stats = [latency_stats(t.name, t.function, self.times[t.name].latency_ms) for t in left]
        staying = []
        for timed, own in zip(left, stats, strict=True):
            reason = dominated(own, stats)
            if reason is None or timed.name == self._reference:
                staying.append(timed)
                continue
            self.times[timed.name].dropped = reason
            self._workers.pop(timed.name).close()
        return staying

    def _image(self, number: int) -> NDArray[np.uint8]:
        started = time.perf_counter()
        image_HW = prepare(self._split.source(self._indices[number]), self._preprocessing).image_HW
        self.decode_ms.append((time.perf_counter() - started) * 1e3)
        return image_HW


def screen(
    benchmark: LatencyBenchmark, groups: Sequence[Sequence[TimedVariant]], say: Callable[[str], None]
) -> list[TimedVariant]:
    """Measure the variants of each function against each other, then all that are left.

    Args:
        benchmark: open; its `times` hold the measurements.
        groups: variants of one function each; the reference is in a group of its own.
        say: called with a line for each group.

    Returns:
        those that did not drop out.
    """
    left: list[TimedVariant] = []
    for group in groups:
        started = benchmark.start(group)
        staying = started
        if len(started) > 1:
            staying = benchmark.run(started, rounds=ROUNDS, label=started[0].function, drop=True)
        left += staying
        say(f"{group[0].function}: {', '.join(timed.name for timed in staying) or 'none runs'}")
    return benchmark.run(left, rounds=ROUNDS, label="all together", drop=True)
