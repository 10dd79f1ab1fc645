"""Anybody's predictions: a CSV with a column `image` and one column of probabilities per class.

Columns stand in any order; a class may be written `prob_NAME`. Any other column is an error, since a
misspelt class would otherwise vanish from the scores, except those of IGNORED.

Shapes: N images, C classes.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset, Split
from ..runtime.errors import DataError

IMAGE = "image"
PREFIX = "prob_"
IGNORED = ("patient", "findings", "label", "split")
"""Columns that may be there and are not read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The probabilities in a file, in the file's order of images and the data's order of classes."""

    source: str
    """The file's name, for messages."""
    images: tuple[str, ...]
    probabilities_NC: NDArray[np.float64]
    """0..1, float64 (N, C)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """Predictions in the order of a split's images."""

    probabilities_NC: NDArray[np.float64]
    left_out: dict[str, int]
    """How many images of other splits of the same source were in the file, by split."""


def read_predictions(path: str | Path, classes: Sequence[str]) -> Predictions:
    """Read a predictions file.

    Args:
        path: a CSV file in UTF-8 with a header line.
        classes: the C classes to find a column for.

    Raises:
        DataError: the file is missing or empty, a column is missing or unknown, an image stands twice, or a
            value is no number in 0..1; the message names the line.
    """
    name = str(path)
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = next(rows, None)
            if not header:
                raise DataError(f"{name} is empty; a header line is needed: image, then one column per class")
            columns = _columns(name, [cell.strip() for cell in header], classes)
            lines = [(rows.line_num, row) for row in rows if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read predictions {name}: {reason}; give a CSV file in UTF-8") from error
    if not lines:
        raise DataError(f"{name} holds a header and no image; give one row per image")
    images, values = zip(*_parse(name, lines, len(header), columns, classes), strict=True)
    if twice := [image for image, count in Counter(images).items() if count > 1]:
        at = ", ".join(str(line) for (line, _), image in zip(lines, images, strict=True) if image == twice[0])
        raise DataError(
            f"{name} has {_some(twice, 'image')} more than once (the first on lines {at}); "
            "keep one row per image"
        )
    return Predictions(source=name, images=images, probabilities_NC=np.array(values, dtype=np.float64))


def align(predictions: Predictions, dataset: Dataset, split: Split) -> Aligned:
    """Put predictions into the order of a split, matching images by name.

    Where a name is not found as it is written, its last part is tried (`images/a.png` is `a.png`).
    Images of other splits of the same source are left out and counted.

    Raises:
        DataError: images of the split have no prediction, or images are not in the source.
    """
    rows = _rows_by_name(predictions, dataset, split)
    if missing := [image for image in split.images if image not in rows]:
        raise DataError(
            f"{predictions.source} has no prediction for {len(missing)} of the {len(split)} images of split "
            f"{split.name}: {_first(missing)}; predict them, or choose another --split"
        )
    used = {rows[image] for image in split.images}
    left_over = [image for row, image in enumerate(predictions.images) if row not in used]
    return Aligned(
        probabilities_NC=predictions.probabilities_NC[[rows[image] for image in split.images]],
        left_out=_left_out(predictions.source, left_over, dataset, split),
    )


def _columns(name: str, header: list[str], classes: Sequence[str]) -> list[int]:
    """Position of `image`, then of each class."""
    wanted = {IMAGE: IMAGE} | {PREFIX + c: c for c in classes} | {c: c for c in classes}
    if unknown := [cell for cell in header if cell not in wanted and cell not in IGNORED]:
        raise DataError(
            f"{name} has {_some(unknown, 'column')}, no class of the data; known: "
            f"{IMAGE}, {', '.join(classes)} (prob_NAME too; not read: {', '.join(IGNORED)})"
        )
    found = [wanted.get(cell) for cell in header]
    if twice := [column for column, count in Counter(found).items() if column is not None and count > 1]:
        raise DataError(f"{name} has {_some(twice, 'column')} twice; keep one of each")
    if missing := [column for column in (IMAGE, *classes) if column not in found]:
        raise DataError(f"{name} lacks {_some(missing, 'column')}; it has {', '.join(header)}")
    return [found.index(column) for column in (IMAGE, *classes)]


def _parse(
    name: str, lines: list[tuple[int, list[str]]], width: int, columns: list[int], classes: Sequence[str]
) -> Iterator[tuple[str, list[float]]]:
    image_column, *class_columns = columns
    for line, row in lines:
        if len(row) != width:
            raise DataError(
                f"{name}, line {line}: {len(row)} fields, the header has {width}; check the commas"
            )
        image = row[image_column].strip()
        if not image:
            raise DataError(f"{name}, line {line}: no image name; give one in column {IMAGE}")
        yield (
            image,
            [_probability(name, line, row[i], c) for i, c in zip(class_columns, classes, strict=True)],
        )


def _probability(name: str, line: int, text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    # A NaN fails this comparison, too.
    if not 0 <= value <= 1:
        raise DataError(
            f"{name}, line {line}: {column} is {text!r}, not a probability; give a number in 0..1"
        )
    return value


def _rows_by_name(predictions: Predictions, dataset: Dataset, split: Split) -> dict[str, int]:
    rows = {image: row for row, image in enumerate(predictions.images)}
    absent = [image for image in split.images if image not in rows]
    if not absent:
        return rows
    # A row that is called as an image of the data is of that image, whatever else ends in the same name.
    certain = {image for other in dataset.splits.values() for image in other.images}
    by_last_part = _by_last_part([image for image in predictions.images if image not in certain])
    last_parts = Counter(PurePosixPath(image).name for image in split.images)
    for image in absent:
        last = PurePosixPath(image).name
        candidates = by_last_part.get(last, [])
        # A guess between two files would score the wrong one; only an unmistakable name is matched.
        if last_parts[last] == 1 and len(candidates) == 1:
            rows[image] = rows[candidates[0]]
    return rows


def _by_last_part(images: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for image in images:
        found.setdefault(PurePosixPath(image).name, []).append(image)
    return found


def _left_out(source: str, images: list[str], dataset: Dataset, split: Split) -> dict[str, int]:
    scored = {PurePosixPath(image).name for image in split.images}
    others = {
        PurePosixPath(image).name: other.name
        for other in dataset.splits.values()
        if other.name != split.name
        for image in other.images
    }
    if again := [image for image in images if PurePosixPath(image).name in scored - others.keys()]:
        raise DataError(
            f"{source} has a second row for {_some(again, 'image')}, under another folder; "
            "keep one row per image"
        )
    if unknown := [image for image in images if PurePosixPath(image).name not in others]:
        raise DataError(
            f"{source} has {len(unknown)} images that are not in the data: {_first(unknown)}; "
            "remove them, or give the data they belong to"
        )
    return dict(Counter(others[PurePosixPath(image).name] for image in images))


def _some(names: Sequence[str], kind: str) -> str:
    return f"{kind}{'s' if len(names) > 1 else ''} {_first(names)}"


def _first(names: Sequence[str], *, most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
