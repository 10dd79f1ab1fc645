"""Which column of a predictions file names the images, and which holds each class's probabilities.

Columns stand in any order and are told by their names, which `csv_columns.is_called` compares. Any other
column is an error, since a misspelt class would otherwise vanish from the scores, except those of NOT_READ,
an unnamed one that numbers the rows, and those that the user leaves out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import csv_columns
from ..datasets.csv_columns import folded, is_called
from ..datasets.label_files import UNNAMED, Row, read_header
from ..runtime.errors import DataError

IMAGE = "image"
WORDS = ("prob", "proba", "probability", "pred", "prediction", "score")
"""A class's column may have one of these before or behind the name: `prob_Mass`, `Mass_pred`."""
NOT_READ = (
    *(*csv_columns.PATIENT, *csv_columns.SPLIT, *csv_columns.NOT_READ),
    *("findings", "finding labels", "label", "labels"),
)
"""Columns that may be there and are not read."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a predictions file by their meaning."""

    image: str
    """Names the images."""
    classes: tuple[str, ...]
    """One for each class, in the data's order of classes."""
    left_out: tuple[str, ...]
    """Not read."""

    def notes(self, source: str) -> tuple[str, ...]:
        """One sentence on a file whose columns are not just `image` and the classes."""
        said = [f"images are named by column {self.image!r}"] if self.image != IMAGE else []
        if self.left_out:
            said.append(f"columns not read: {', '.join(map(repr, self.left_out))}")
        return (f"{source}: {'; '.join(said)}",) if said else ()

    def to_json(self) -> dict[str, Any]:
        """The image column and the columns left out, as plain JSON values."""
        return {"image_column": self.image, "columns_left_out": list(self.left_out)}


def check_ignored(ignore: Sequence[str], paths: Sequence[Path]) -> None:
    """Check that each column to leave out is in one of the files.

    Raises:
        DataError: one is in none, or a file cannot be read.
    """
    header = dict.fromkeys(column for path in paths for column in read_header(path))
    if absent := [column for column in ignore if column not in header]:
        raise DataError(
            f"--ignore-columns must name columns of {' or '.join(map(str, paths))}, got {first(absent)}; "
            f"there is: {', '.join(header)}"
        )


def find_columns(name: str, rows: Sequence[Row], classes: Sequence[str], ignore: Sequence[str]) -> Columns:
    """Tell the columns of a file by their names.

    Args:
        name: the file's, for messages.
        rows: all of them, at least one: an unnamed column is told by its values.
        classes: the classes to find a column for.
        ignore: columns to leave out where they are there.

    Raises:
        DataError: a column is missing or unknown, or two could be meant.
    """
    every = list(rows[0].cells)
    header = [column for column in every if column not in ignore]
    if ignored := [column for column in every if column in ignore]:
        name = f"{name} without {first(ignored)} (--ignore-columns)"
    class_of = _class_finder(classes)
    of_class: dict[str, list[str]] = {}
    others: list[str] = []
    for column in header:
        found = class_of(column)
        (others if found is None else of_class.setdefault(found, [])).append(column)
    numbering = [c for c in others if c.startswith(UNNAMED) and _numbers_rows(row.cells[c] for row in rows)]
    image = _image_column(name, header, [column for column in others if column not in numbering])
    known = (image, *numbering)
    if unknown := [column for column in others if column not in known and not is_called(column, NOT_READ)]:
        raise DataError(
            f"{name} has {some(unknown, 'column')}, no class of the data; known: {', '.join(classes)}; "
            f"correct the name, or leave it out with --ignore-columns {','.join(unknown)!r}"
        )
    if twice := [columns for columns in of_class.values() if len(columns) > 1]:
        pairs = first([" and ".join(columns) for columns in twice])
        raise DataError(
            f"{name} has more than one column for a class: {pairs}; "
            "leave out all but one of each with --ignore-columns"
        )
    if missing := [c for c in classes if c not in of_class]:
        raise DataError(f"{name} lacks {some(missing, 'column')}; it has {', '.join(header)}")
    taken = tuple(of_class[c][0] for c in classes)
    left_out = tuple(column for column in every if column not in (image, *taken))
    return Columns(image=image, classes=taken, left_out=left_out)


def _image_column(name: str, header: Sequence[str], candidates: Sequence[str]) -> str:
    # pandas writes the image names without a name of their own where they are the index.
    found = [column for column in candidates if is_called(column, csv_columns.IMAGE)] or [
        column for column in candidates if column.startswith(UNNAMED)
    ]
    if not found:
        raise DataError(
            f"{name} has no column of image names ({', '.join(csv_columns.IMAGE)}); "
            f"it has {', '.join(header)}; call the one that holds them {IMAGE}"
        )
    if len(found) > 1:
        raise DataError(
            f"{name} has more than one column of image names: {first(found)}; "
            "leave out all but one with --ignore-columns"
        )
    return found[0]


def _class_finder(classes: Sequence[str]) -> Callable[[str], str | None]:
    """Find the class a column is of: by its exact name, else as `folded` compares names."""
    exact = {form: c for c in classes for word in WORDS for form in (f"{word}_{c}", f"{c}_{word}")}
    exact |= {c: c for c in classes}
    # Classes that differ in case or spaces alone are told by their exact names.
    alike = Counter(map(folded, classes))
    loose = {folded(form): c for form, c in exact.items() if alike[folded(c)] == 1}
    return lambda column: exact.get(column, loose.get(folded(column)))


def _numbers_rows(values: Iterable[str]) -> bool:
    """True if a column holds row numbers, in any order, or nothing (a comma at the end of each line)."""
    given = list(values)
    if not any(given):
        return True
    # Names such as 00012 are no numbers: an index has no zeros in front.
    return len(set(given)) == len(given) and all(v.isdecimal() and v == str(int(v)) for v in given)


def some(names: Sequence[str], kind: str) -> str:
    """`names` with what they are, the first few of them."""
    return f"{kind}{'s' if len(names) > 1 else ''} {first(names)}"


def first(names: Sequence[str], *, most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
