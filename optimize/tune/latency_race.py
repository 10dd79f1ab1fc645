"""Latencies of many variants, interleaved; those that can no longer matter drop out on the way.

Each variant has a process of its own and starts when the one before has gone idle, in balanced orders, as in
`xopt bench` (benchmarks.measurement). First, variants of one function run against each other; what is clearly
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
from .selection import Standing, outrun

WARM_UP = 2
"""Images that each variant sees before its clock counts."""
ROUNDS = 8
"""Images of the first races."""
STREAMING = "openvino"
"""The engine that answers several images at once."""
LEAST = 6
"""Rounds before which nobody drops out: an interval of fewer says little."""
_RESAMPLES = 1000
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Who runs."""

    variant: Variant
    function: str
    """What it computes, as `choosing.Standing` has it."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The variant's."""
        return self.variant.name


@dataclass(kw_only=True)
class Times:
    """What a variant did in a race, as plain values."""

    latency_ms: list[float] = field(default_factory=list)
    """One a round; a variant that dropped out has fewer."""
    answers: list[list[float]] = field(default_factory=list)
    """Probabilities of the first rounds' images, to see that engines agree."""
    size_mb: float | None = None
    failed: str | None = None
    """The error, where it could not run."""
    dropped: str | None = None
    """Why it dropped out."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(vars(self))


def standing(name: str, function: str, latency_ms: Sequence[float]) -> Standing:
    """What latencies say of a variant: its median with a bootstrap interval over images."""
    values_N = np.asarray(latency_ms, dtype=np.float64)
    drawn_RN = np.random.default_rng(_SEED).integers(len(values_N), size=(_RESAMPLES, len(values_N)))
    lower, upper = np.percentile(np.median(values_N[drawn_RN], axis=1), [2.5, 97.5])
    median, p90 = np.percentile(values_N, [50, 90])
    return Standing(
        name=name,
        function=function,
        median_ms=float(median),
        lower_ms=float(lower),
        upper_ms=float(upper),
        p90_ms=float(p90),
    )


class Race:
    """Variants in processes of their own. Use as a context manager.

    Args:
        split: its images are run, evenly spread.
        preprocessing: for the size of the images.
        rounds: images in all.
        keep: the variant that never drops out: others are held against it.
    """

    def __init__(self, split: Split, preprocessing: Preprocessing, *, rounds: int, keep: str) -> None:
        self._split = split
        self._keep = keep
        self._preprocessing = preprocessing
        self._indices = evenly(len(split), rounds)
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}
        self.times: dict[str, Times] = {}
        self.decode_ms: list[float] = []
        """From an image file to the resized image, in this process."""

    def __enter__(self) -> "Race":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def start(self, entries: Sequence[Entry]) -> list[Entry]:
        """Start variants one after the other and warm them up; who cannot run is noted and left out."""
        running = []
        for entry in entries:
            times = self.times.setdefault(entry.name, Times())
            worker = self._stack.enter_context(
                Worker(entry.name, entry.variant, environment=entry.environment)
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
            self._workers[entry.name] = worker
            running.append(entry)
        return running

    def run(self, entries: Sequence[Entry], *, rounds: int, label: str, drop: bool) -> list[Entry]:
        """Run variants interleaved over the first images.

        Args:
            entries: started ones.
            rounds: images.
            label: of the progress bar.
            drop: let variants drop out that are clearly slower than another of the same function.

        Returns:
            those that are still in it.
        """
        left = list(entries)
        for entry in left:
            self.times[entry.name].latency_ms = []
            self.times[entry.name].answers = []
        orders = balanced_orders(len(left)) if left else []
        for number in progress(range(min(rounds, len(self._indices))), label=label):
            self._round(left, orders[number % len(orders)], number)
            if drop and number + 1 >= LEAST and len(left) > 1:
                left = self._drop(left)
                orders = balanced_orders(len(left))
        return left

    def files(
        self, entries: Sequence[Entry], *, rounds: int, count: int, streams: Sequence[int | None] = (None,)
    ) -> dict[str, list[dict[str, Any]]]:
        """Image files a second, from file to answer.

        Args:
            entries: started ones.
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
            (entry.name, at_once)
            for entry in entries
            for at_once in (streams if entry.variant.engine == STREAMING else (None,))
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
            entry.name: [
                {"streams": at_once, "files_per_second": rates[name, at_once]}
                for name, at_once in ways
                if name == entry.name
            ]
            for entry in entries
        }

    def macs(self, entry: Entry) -> int:
        """Multiply-accumulates of one image."""
        counted: int = self._workers[entry.name].call("macs").value
        return counted

    def _round(self, left: Sequence[Entry], order: Sequence[int], number: int) -> None:
        image_HW = self._image(number)
        for position in order:
            name = left[position].name
            answer = self._workers[name].call("infer", image_HW)
            self._workers[name].settle()
            self.times[name].latency_ms.append(answer.seconds * 1e3)
            self.times[name].answers.append(np.asarray(answer.value, dtype=np.float64).tolist())

    def _drop(self, left: Sequence[Entry]) -> list[Entry]:
        standings = [standing(e.name, e.function, self.times[e.name].latency_ms) for e in left]
        staying = []
        for entry, one in zip(left, standings, strict=True):
            reason = outrun(one, standings)
            if reason is None or entry.name == self._keep:
                staying.append(entry)
                continue
            self.times[entry.name].dropped = reason
            self._workers.pop(entry.name).close()
        return staying

    def _image(self, number: int) -> NDArray[np.uint8]:
        started = time.perf_counter()
        image_HW = prepare(self._split.source(self._indices[number]), self._preprocessing).image_HW
        self.decode_ms.append((time.perf_counter() - started) * 1e3)
        return image_HW


def first_races(race: Race, groups: Sequence[Sequence[Entry]], say: Callable[[str], None]) -> list[Entry]:
    """Run the variants of each function against each other, then all that are left.

    Args:
        race: open; its `times` hold what was found.
        groups: variants of one function each; the reference is in a group of its own.
        say: called with a line for each group.

    Returns:
        those that did not drop out.
    """
    left: list[Entry] = []
    for group in groups:
        started = race.start(group)
        staying = started
        if len(started) > 1:
            staying = race.run(started, rounds=ROUNDS, label=started[0].function, drop=True)
        left += staying
        say(f"{group[0].function}: {', '.join(e.name for e in staying) or 'none runs'}")
    return race.run(left, rounds=ROUNDS, label="all together", drop=True)
