"""Anybody's predictions: a CSV of probabilities per class, read and put into the order of a split.

Shapes: N images, C classes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset, Split
from ..datasets.label_files import Row, read_rows
from ..runtime.errors import DataError
from ..runtime.images.image import SUFFIXES
from .prediction_columns import Columns, find_columns, first, some


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The probabilities in a file, in the file's order of images and the data's order of classes."""

    source: str
    """The file's name, for messages."""
    images: tuple[str, ...]
    probabilities_NC: NDArray[np.float64]
    """0..1, float64 (N, C)."""
    columns: Columns
    """What the file's columns were taken for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """Predictions in the order of a split's images."""

    probabilities_NC: NDArray[np.float64]
    left_out: dict[str, int]
    """How many images of other splits of the same source were in the file, by split."""


def read_predictions(path: str | Path, classes: Sequence[str], *, ignore: Sequence[str] = ()) -> Predictions:
    """Read a predictions file.

    Args:
        path: a CSV file in UTF-8 with a header line.
        classes: the C classes to find a column for.
        ignore: columns to leave out where they are there, spelt as in the header; the first one, where it has
            no name, is called `Unnamed: 0`, as in pandas.

    Raises:
        DataError: the file is missing or empty, a column is missing or unknown, an image stands twice, or a
            value is no number in 0..1; the message names the line.
    """
    name = str(path)
    rows = list(read_rows(Path(path)))
    if not rows:
        raise DataError(f"{name} holds a header and no image; give one row per image")
    columns = find_columns(name, rows, classes, ignore)
    values: dict[str, list[float]] = {}
    for row in rows:
        image = row.cells[columns.image]
        if not image:
            raise DataError(f"{row.place}: no image name; give one in column {columns.image}")
        if image in values:
            raise DataError(f"{row.place}: image {image!r} stands in an earlier line already; keep one row")
        values[image] = [_probability(row, column) for column in columns.classes]
    return Predictions(
        source=name,
        images=tuple(values),
        probabilities_NC=np.array(list(values.values()), dtype=np.float64),
        columns=columns,
    )


def align(predictions: Predictions, dataset: Dataset, split: Split) -> Aligned:
    """Put predictions into the order of a split, matching images by name.

    A name that is not found as it is written is matched by as many of its last parts as possible, with or
    without an image file's suffix (`images/a` is `a.png`). Images of other splits of the same source are left
    out and counted.

    Raises:
        DataError: images of the split have no prediction, or images are not in the source.
    """
    source = predictions.source
    owners = _owners(predictions.images, dataset, split)
    rows = _rows_by_image(predictions.images, owners, split)
    used = {predictions.images[row] for row in rows.values()}
    if missing := [image for image in split.images if image not in rows]:
        called = {name for image in missing for name in _names(image)}
        unclear = [i for i in predictions.images if i not in used and not called.isdisjoint(_names(i))]
        remedy = "predict them, or choose another --split"
        if unclear:
            remedy = f"{some(unclear, 'row')} may be of other images; name images as the data does"
        raise DataError(
            f"{source} has no prediction for {len(missing)} of the {len(split)} images of split "
            f"{split.name}: {first(missing)}; {remedy}"
        )
    left_over = {
        image: owner for image, owner in zip(predictions.images, owners, strict=True) if image not in used
    }
    if again := [image for image, owner in left_over.items() if owner and owner[0][0] == split.name]:
        raise DataError(
            f"{source} has a second row for {some(again, 'image')}, under another folder or suffix; "
            "keep one row per image"
        )
    if unknown := [image for image, owner in left_over.items() if not owner]:
        raise DataError(
            f"{source} has {len(unknown)} images that are not in the data: {first(unknown)}; "
            "remove them, or give the data they belong to"
        )
    return Aligned(
        probabilities_NC=predictions.probabilities_NC[[rows[image] for image in split.images]],
        left_out=dict(Counter(owner[0][0] for owner in left_over.values())),
    )


def _probability(row: Row, column: str) -> float:
    text = row.cells[column]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    # A NaN fails this comparison, too.
    if not 0 <= value <= 1:
        raise DataError(f"{row.place}: {column} is {text!r}, not a probability; give a number in 0..1")
    return value


Owner = list[tuple[str, str]]
"""The split and name of the image that a row is of; several where they cannot be told apart."""


def _owners(images: Sequence[str], dataset: Dataset, split: Split) -> list[Owner]:
    """The owner of each row of a file that names `images`; empty where the data has none."""
    wanted = {name for image in images for name in _names(image)}
    best: dict[str, tuple[tuple[int, bool], Owner]] = {}
    for part in dataset.splits.values():
        for image in part.images:
            for shortened, name in enumerate(_names(image)):
                # The image that is shortened least is meant, and of several the one to be scored.
                rank = (shortened, part.name != split.name)
                if name not in wanted or (name in best and rank > best[name][0]):
                    continue
                if name not in best or rank < best[name][0]:
                    best[name] = (rank, [])
                best[name][1].append((part.name, image))
    return [next((best[name][1] for name in _names(image) if name in best), []) for image in images]


def _names(image: str) -> Iterator[str]:
    """Names an image may have: its path with ever fewer folders, each with and without its suffix."""
    parts = image.replace("\\", "/").split("/")
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        yield name
        stem, _dot, suffix = name.rpartition(".")
        if f".{suffix.lower()}" in SUFFIXES:
            yield stem


def _rows_by_image(images: Sequence[str], owners: Sequence[Owner], split: Split) -> dict[str, int]:
    claims: dict[str, list[int]] = {}
    for row, owner in enumerate(owners):
        # A guess between two images would score the wrong one; only an unmistakable name is matched.
        if len(owner) == 1 and owner[0][0] == split.name:
            claims.setdefault(owner[0][1], []).append(row)
    exact = {image: row for row, image in enumerate(images) if image in claims}
    return {image: rows[0] for image, rows in claims.items() if len(rows) == 1} | exact
