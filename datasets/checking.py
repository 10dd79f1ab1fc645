"""`xopt data check`: what in a source would spoil training or make a measurement look better than it is.

Shape suffixes: N images of all splits, C classes.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.console import progress, table
from ..runtime.errors import DataError
from .duplicates import Pair, find_near, find_same
from .executors import open_executor, run_all
from .image_facts import ImageFacts, look_at
from .records import Dataset
from .statistics import Overlap, find_overlaps

BATCH = 16
"""Images that a worker looks at before it reports."""
_MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for normal data."""


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Limits beyond which an image is reported as odd."""

    outlier: float = 3.5
    """Robust standard deviations from the median, of an image's mean or deviation of grey values."""
    padding: float = 0.15
    """Share of an image's area in borders of one tone."""
    near: float = 0.99
    """Correlation of two 32 x 32 fingerprints. The same image at 1024 pixels as PNG and at 320 as JPEG has
    0.9999; the two most alike of 294,000 pairs of other patients' chest X-rays have 0.963."""

    def __post_init__(self) -> None:
        if self.outlier <= 0:
            raise ValueError(f"outlier must be above 0, got {self.outlier}.")
        for name in ("padding", "near"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """One image that stands out."""

    kind: str
    """One of KINDS."""
    split: str
    image: str
    words: str
    """What was measured, or why it cannot be read."""
    row: int
    """Among all images of the source."""


KINDS = ("unreadable", "too bright", "too dark", "too flat", "too harsh", "padded")


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """Everything that was found."""

    dataset: Dataset
    settings: CheckSettings
    facts: tuple[ImageFacts, ...]
    """Of all images, split by split."""
    oddities: tuple[Oddity, ...]
    same: tuple[Pair, ...]
    """Pairs with the same bytes: an image and the first one that it repeats."""
    near: tuple[Pair, ...]
    """Pairs across splits that look the same."""
    overlaps: tuple[Overlap, ...]
    seconds: float

    @property
    def split_of(self) -> tuple[str, ...]:
        """N split names, one an image."""
        return tuple(split.name for split in self.dataset.splits.values() for _image in split.images)

    def counts(self) -> dict[str, dict[str, int]]:
        """For each kind of finding, how many images of each split have it."""
        splits = list(self.dataset.splits)
        found: dict[str, dict[str, int]] = {kind: dict.fromkeys(splits, 0) for kind in KINDS}
        for oddity in self.oddities:
            found[oddity.kind][oddity.split] += 1
        for kind, pairs in {
            "same bytes, this split": [pair for pair in self.same if not pair.across],
            "same bytes, another split": [pair for pair in self.same if pair.across],
            "looks the same, another split": self.near,
        }.items():
            images = {image for pair in pairs for image in (pair.first, pair.second)}
            found[kind] = {name: sum(split == name for split, _image in images) for name in splits}
        found["patient in another split"] = {
            name: len({p for o in self.overlaps if name in o.splits for p in o.patients}) for name in splits
        }
        return found

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "data": self.dataset.name,
            "images": len(self.facts),
            "seconds": self.seconds,
            "counts": self.counts(),
            "oddities": [
                {"kind": o.kind, "split": o.split, "image": o.image, "words": o.words} for o in self.oddities
            ],
            "same": [pair.to_json() for pair in self.same],
            "near": [pair.to_json() for pair in self.near],
            "overlaps": [{"splits": list(o.splits), "patients": list(o.patients)} for o in self.overlaps],
        }

    def to_text(self, *, most: int = 5) -> str:
        """A table of counts, and the first few images of each kind."""
        splits = list(self.dataset.splits)
        sizes = [str(len(split)) for split in self.dataset.splits.values()]
        rows = [["images", *sizes]]
        rows += [[kind, *(str(counts[s]) for s in splits)] for kind, counts in self.counts().items()]
        lines = [table(["", *splits], rows), ""]
        for kind in KINDS:
            lines += _few(
                kind, [f"{o.split}: {o.image} {o.words}" for o in self.oddities if o.kind == kind], most
            )
        lines += _few("same bytes", [str(pair) for pair in self.same], most)
        lines += _few("looks the same", [str(pair) for pair in self.near], most)
        lines += [f"leak: {overlap}" for overlap in self.overlaps]
        rate = len(self.facts) / self.seconds
        return "\n".join([*lines, f"{len(self.facts)} images in {self.seconds:.1f} s, {rate:.0f} images/s"])


def check(
    dataset: Dataset,
    *,
    settings: CheckSettings | None = None,
    cluster: str | None = None,
    workers: int | None = None,
) -> Checked:
    """Look at every image of a dataset.

    Images that are absent or damaged are findings, not errors.

    Args:
        dataset: with its images.
        settings: what counts as odd.
        cluster, workers: where images are looked at, see `open_executor`.

    Raises:
        ClusterError: workers cannot be reached or were lost.
    """
    started = time.perf_counter()
    chosen = settings or CheckSettings()
    facts = _look_at_all(dataset, cluster, workers)
    names = [(split.name, image) for split in dataset.splits.values() for image in split.images]
    labels_NC = np.concatenate([split.marked_labels for split in dataset.splits.values()])
    same = tuple(find_same(facts, names, labels_NC))
    return Checked(
        dataset=dataset,
        settings=chosen,
        facts=facts,
        oddities=tuple(_oddities(facts, names, chosen)),
        same=same,
        near=tuple(find_near(facts, names, labels_NC, chosen.near)),
        overlaps=find_overlaps(dataset),
        seconds=time.perf_counter() - started,
    )


def _look_at_all(dataset: Dataset, cluster: str | None, workers: int | None) -> tuple[ImageFacts, ...]:
    found: list[ImageFacts] = []
    sources: list[tuple[int, Path | NDArray[np.uint8]]] = []
    row = 0
    for split in dataset.splits.values():
        for index in range(len(split)):
            try:
                source = split.source(index)
                sources.append((row, source.absolute() if isinstance(source, Path) else source))
            except DataError as error:
                found.append(ImageFacts(row=row, reason=str(error)))
            row += 1
    batches = [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]
    with open_executor(cluster, workers) as opened:
        answers = (facts for _number, batch in run_all(opened, look_at, batches) for facts in batch)
        found += progress(answers, label="looking", total=len(sources), unit="images")
    return tuple(sorted(found, key=lambda facts: facts.row))


def _oddities(
    facts: Sequence[ImageFacts], names: Sequence[tuple[str, str]], settings: CheckSettings
) -> Iterator[Oddity]:
    seen = [f for f in facts if f.reason is None]
    means, deviations = (_scores([getattr(f, name) for f in seen]) for name in ("mean", "deviation"))

    def odd(kind: str, row: int, words: str) -> Oddity:
        return Oddity(kind=kind, split=names[row][0], image=names[row][1], words=words, row=row)

    for f in facts:
        if f.reason is not None:
            yield odd("unreadable", f.row, f.reason)
    for f, mean, deviation in zip(seen, means.tolist(), deviations.tolist(), strict=True):
        if abs(mean) > settings.outlier:
            words = f"(mean {f.mean:.0f} of 255, {abs(mean):.1f} deviations from the median)"
            yield odd("too bright" if mean > 0 else "too dark", f.row, words)
        if abs(deviation) > settings.outlier:
            words = f"(standard deviation {f.deviation:.0f}, {abs(deviation):.1f} deviations from the median)"
            yield odd("too harsh" if deviation > 0 else "too flat", f.row, words)
        if f.padding > settings.padding:
            yield odd("padded", f.row, f"({100 * f.padding:.0f} % of its area)")


def _scores(values: Sequence[float]) -> NDArray[np.float64]:
    """Distances from the median in robust standard deviations (Iglewicz & Hoaglin 1993)."""
    values_N = np.array(values, dtype=np.float64)
    if not values_N.size:
        return values_N
    median = np.median(values_N)
    # One grey level is no difference that an eye could see, however alike all others are.
    spread = max(1.0, _MAD_TO_SIGMA * float(np.median(np.abs(values_N - median))))
    scores: NDArray[np.float64] = (values_N - median) / spread
    return scores


def _few(kind: str, lines: Sequence[str], most: int) -> list[str]:
    more = [f"{kind}: and {len(lines) - most} more (--json lists them all)"] if len(lines) > most else []
    return [f"{kind}: {line}" for line in lines[:most]] + more
