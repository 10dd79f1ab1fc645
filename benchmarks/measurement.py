"""One pass over the images, all variants interleaved: answers and latencies from the same calls.

Run one after the other, the variants would each get their own share of the machine's moods (clock
frequency, heat, neighbours). Here every image goes through all of them before the next one comes, in an
order balanced so that each variant stands in each place, and follows each other one, equally often
(Williams, Australian Journal of Scientific Research A 2 (1949) 149-168), and each starts when the one before
it has gone idle.

Shapes: N images, C classes, R rounds.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split
from ..runtime.console import progress
from ..runtime.errors import BundleError, UsageError
from ..runtime.images.image import prepare
from ..runtime.images.preprocessing import Preprocessing
from .engines import Variant
from .machine import PeakProbe
from .settings import BenchSettings
from .variants import check_classes
from .workers import Worker

WARM_UP = 3
"""Images that each variant sees before its clock counts."""
FILES_A_ROUND = 10
"""Image files in a block, evenly spread over the split."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The measurements of one variant."""

    variant: Variant
    preprocessing: Preprocessing
    size_mb: float
    """What a device stores of it, in 1e6 bytes."""
    probabilities: NDArray[np.float32]
    """float32 (N, C), in the split's order."""
    latency_ms: NDArray[np.float64]
    """From the resized image to the probabilities, float64 (N,)."""
    files_per_second: NDArray[np.float64]
    """Image files to probabilities, as fast as the variant works through many: float64 (R,), one a round."""
    cold_start_s: float
    """From the start of its process to its first answer."""
    peak_rss_mb: float | None
    """The most memory its process held while it took one image at a time, in 1e6 bytes."""
    macs: int
    """Multiply-accumulates of one image."""


def measure(
    variants: Sequence[Variant],
    split: Split,
    *,
    preprocessing: Preprocessing,
    classes: tuple[str, ...],
    threads: int | None = None,
    file_rounds: int = BenchSettings.file_rounds,
) -> list[Measured]:
    """Run every variant over every image of a split.

    Args:
        variants: in the order of the result.
        split: N images.
        preprocessing: its size is that of the resized images all clocks start at.
        classes: C names that every variant must answer for, in this order.
        threads: limit for the engines' thread pools; None leaves it to each.
        file_rounds: how often each works through image files, at least 1.

    Raises:
        XoptError: a variant cannot be loaded, fails or dies; the message names it.
        DataError, InputError: an image is absent or cannot be decoded.
    """
    if not len(split):
        raise UsageError(f"split {split.name} has no images to measure on")
    with ExitStack() as stack:
        first = prepare(split.source(0), preprocessing).image_HW
        runners = []
        for variant in progress(variants, label="Starting", total=len(variants)):
            # One after the other, so that a cold start is not slowed by another one's.
            worker = stack.enter_context(Worker(variant.name, variant, environment=_environment(threads)))
            runners.append(_start(variant, worker, first, preprocessing, classes))
        for index in range(WARM_UP - 1):
            image = prepare(split.source((1 + index) % len(split)), preprocessing).image_HW
            for runner in runners:
                runner.worker.call("infer", image)
                runner.worker.settle()
        _interleave(runners, split, preprocessing)
        # Streams and counting load graphs a second time, so the peak is read before.
        peaks = [runner.worker.peak_rss_mb() for runner in runners]
        _time_files(runners, split, file_rounds)
        return [runner.finish(peak) for runner, peak in zip(runners, peaks, strict=True)]


def measure_peak(threads: int | None = None) -> float:
    """The machine's FP32 peak now, in GMAC/s: a large matrix product in a process of its own."""
    with Worker("the FP32 peak", PeakProbe(), environment=_environment(threads)) as worker:
        peak: float = worker.call("measure").value
    return peak


def balanced_orders(count: int) -> list[tuple[int, ...]]:
    """Orders of `count` variants to go through in turn (a Williams design).

    Each variant stands once in each place, and each comes directly after each other one equally often;
    an odd count takes every order backwards, too.
    """
    first = [0]
    for step in range(1, count):
        first.append((count - step // 2) % count if step % 2 == 0 else step // 2 + 1)
    forwards = [tuple((place + shift) % count for place in first) for shift in range(count)]
    return forwards if count % 2 == 0 else forwards + [order[::-1] for order in forwards]


def evenly(total: int, wanted: int) -> list[int]:
    """`wanted` indices spread over 0..total-1, or all of them where there are fewer."""
    if wanted >= total:
        return list(range(total))
    return [(2 * k + 1) * total // (2 * wanted) for k in range(wanted)]


class _Runner:
    """A started variant and what it has answered so far."""

    def __init__(
        self,
        variant: Variant,
        worker: Worker,
        preprocessing: Preprocessing,
        size_mb: float,
        cold_start_s: float,
    ) -> None:
        self.variant = variant
        self.worker = worker
        self.preprocessing = preprocessing
        self.size_mb = size_mb
        self.cold_start_s = cold_start_s
        self.answers: list[NDArray[np.float32]] = []
        self.latency_ms: list[float] = []
        self.files_per_second: list[float] = []

    def finish(self, peak_rss_mb: float | None) -> Measured:
        macs: int = self.worker.call("macs").value
        return Measured(
            variant=self.variant,
            preprocessing=self.preprocessing,
            size_mb=self.size_mb,
            probabilities=np.stack(self.answers),
            latency_ms=np.array(self.latency_ms),
            files_per_second=np.array(self.files_per_second),
            cold_start_s=self.cold_start_s,
            peak_rss_mb=peak_rss_mb,
            macs=macs,
        )


def _start(
    variant: Variant,
    worker: Worker,
    first: NDArray[np.uint8],
    wanted: Preprocessing,
    classes: tuple[str, ...],
) -> _Runner:
    worker.call("infer", first)
    cold_start_s = time.perf_counter() - worker.started_at
    worker.settle()
    found_classes, preprocessing, size_mb = worker.call("describe").value
    check_classes(variant.name, found_classes, classes)
    if preprocessing.size != wanted.size:
        raise BundleError(
            f"{variant.name} takes {preprocessing.size} x {preprocessing.size} images, the bundles take "
            f"{wanted.size} x {wanted.size}; compare it with bundles exported from it"
        )
    return _Runner(variant, worker, preprocessing, size_mb, cold_start_s)


def _interleave(runners: Sequence[_Runner], split: Split, preprocessing: Preprocessing) -> None:
    orders = balanced_orders(len(runners))
    for index in progress(range(len(split)), label="Measuring", total=len(split)):
        image = prepare(split.source(index), preprocessing).image_HW
        for position in orders[index % len(orders)]:
            answer = runners[position].worker.call("infer", image)
            runners[position].worker.settle()
            runners[position].answers.append(answer.value)
            runners[position].latency_ms.append(answer.seconds * 1e3)


def _time_files(runners: Sequence[_Runner], split: Split, rounds: int) -> None:
    orders = balanced_orders(len(runners))
    chosen = evenly(len(split), FILES_A_ROUND)
    sources = [split.source(index) for index in chosen]
    files = [str(source) if isinstance(source, Path) else np.array(source) for source in sources]
    for runner in runners:
        # A stream may compile its own form of the graph at its first image.
        runner.worker.call("infer_files", files[:1])
    for turn in progress(range(rounds), label="From files", total=rounds):
        for position in orders[turn % len(orders)]:
            answer = runners[position].worker.call("infer_files", files)
            runners[position].worker.settle()
            runners[position].files_per_second.append(len(files) / answer.seconds)


def _environment(threads: int | None) -> dict[str, str]:
    if threads is None:
        return {}
    # Libraries below an engine start pools of their own, sized by these.
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
