"""Images that stand in a source twice: by their bytes, or by their looks.

Shape suffixes: N images of all splits, C classes, F features of a fingerprint.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image_facts import ImageFacts

_BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images that are the same, or nearly."""

    first: tuple[str, str]
    """Split and image."""
    second: tuple[str, str]
    likeness: float
    """1.0 for the same bytes, else the correlation of the fingerprints."""
    labels_differ: bool
    rows: tuple[int, int]

    @property
    def across(self) -> bool:
        """True if they stand in different splits."""
        return self.first[0] != self.second[0]

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "first": {"split": self.first[0], "image": self.first[1]},
            "second": {"split": self.second[0], "image": self.second[1]},
            "likeness": self.likeness,
            "labels_differ": self.labels_differ,
        }

    def __str__(self) -> str:
        left, right = (f"{split}: {image}" for split, image in (self.first, self.second))
        return f"{left} = {right}" + ", labelled differently" * self.labels_differ


def find_same(
    facts: Sequence[ImageFacts], names: Sequence[tuple[str, str]], labels_NC: NDArray[np.int8]
) -> Iterator[Pair]:
    """Each image with the bytes of an earlier one, beside the first of them."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for f in facts:
        if f.reason is None:
            groups[f.digest].append(f.row)
    for first, *others in groups.values():
        for row in others:
            yield _pair(first, row, 1.0, names, labels_NC)


def find_near(
    facts: Sequence[ImageFacts], names: Sequence[tuple[str, str]], labels_NC: NDArray[np.int8], least: float
) -> Iterator[Pair]:
    """Images of two splits whose fingerprints correlate by `least` or more, without the same bytes."""
    rows: dict[str, list[int]] = defaultdict(list)
    for f in facts:
        if f.reason is None:
            rows[names[f.row][0]].append(f.row)
    prints = {name: _fingerprints([facts[row] for row in members]) for name, members in rows.items()}
    for left, right in combinations(rows, 2):
        for start in range(0, len(rows[left]), _BLOCK):
            alike = prints[left][start : start + _BLOCK] @ prints[right].T
            for i, j in np.argwhere(alike >= least).tolist():
                one, two = rows[left][start + i], rows[right][j]
                if facts[one].digest != facts[two].digest:
                    yield _pair(one, two, float(alike[i, j]), names, labels_NC)


def _fingerprints(facts: Sequence[ImageFacts]) -> NDArray[np.float32]:
    """Float32 (N, F), of mean 0 and length 1, so that a product of two is their correlation."""
    prints = [f.fingerprint_HW.ravel() for f in facts if f.fingerprint_HW is not None]
    prints_NF = np.array(prints, dtype=np.float32)
    prints_NF -= prints_NF.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(prints_NF, axis=1, keepdims=True)
    # An image of one tone is like no other: it has no pattern that could be.
    result: NDArray[np.float32] = prints_NF / np.maximum(lengths, 1e-6)
    return result


def _pair(
    one: int, two: int, likeness: float, names: Sequence[tuple[str, str]], labels_NC: NDArray[np.int8]
) -> Pair:
    return Pair(
        first=names[one],
        second=names[two],
        likeness=likeness,
        labels_differ=bool((labels_NC[one] != labels_NC[two]).any()),
        rows=(one, two),
    )
