"""Text files of labels: lines with their numbers, CSV rows, and names that stay inside their folder."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..runtime.errors import DataError

UNNAMED = "Unnamed: "
"""How the name of a column without one begins, as in pandas: `Unnamed: 0` for the first column."""
_LONGEST_LINE = 1 << 20


def check_name(image: str, place: str) -> None:
    """Check that an image's name stays inside its folder.

    Raises:
        DataError: it is absolute, climbs out with .., or is no printable text.
    """
    # A list from elsewhere must not make xopt read files outside its folder, on any system's path rules.
    for path in (PurePosixPath(image), PureWindowsPath(image)):
        if path.anchor or ".." in path.parts:
            raise DataError(
                f"{place}: an image name must stay inside the folder (no / first, no ..), found {image!r}"
            )
    if not image or not image.isprintable():
        raise DataError(f"{place}: an image name must be printable text, found {image!r}")


def read_lines(file: Path, *, most: int | None = None) -> list[tuple[int, str]]:
    """The lines that hold something, with their numbers from 1; the first `most` of them.

    Raises:
        DataError: the file cannot be read, or is not UTF-8 text.
    """
    try:
        if most is None:
            content = file.read_bytes()
        else:
            with file.open("rb") as opened:
                content = b"".join(opened.readline(_LONGEST_LINE) for _ in range(most))
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}") from error
    lines = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file}, line {number}: not UTF-8 text, found byte 0x{raw[error.start]:02x}"
            ) from error
        if line.strip():
            lines.append((number, line))
    return lines


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a CSV file."""

    place: str
    """File and line, for messages."""
    cells: dict[str, str]
    """What stands in each column, stripped."""


def read_header(file: Path) -> list[str]:
    """The column names of a CSV file, stripped; a column without one is called after its position.

    Raises:
        DataError: the file cannot be read, or is empty.
    """
    lines = read_lines(file, most=1)
    if not lines:
        raise DataError(f"{file} is empty; a header line is needed")
    header = [cell.strip() for cell in next(csv.reader([lines[0][1]]))]
    return [cell or _name_for(position, header) for position, cell in enumerate(header)]


def _name_for(position: int, header: list[str]) -> str:
    name = f"{UNNAMED}{position}"
    # pandas writes the unnamed index of a file that has one already under this name.
    while name in header:
        name += ".1"
    return name


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a CSV file with a header line.

    Raises:
        DataError: it cannot be read, a column stands twice, or a row has another number of fields.
    """
    header = read_header(file)
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{file} has column {twice[0]!r} twice; keep one")
    lines = read_lines(file)[1:]
    reader = csv.reader(text for _number, text in lines)
    try:
        for cells in reader:
            place = f"{file}, line {lines[reader.line_num - 1][0]}"
            if len(cells) != len(header):
                raise DataError(
                    f"{place}: {len(cells)} fields, the header has {len(header)}; check the commas"
                )
            yield Row(place=place, cells=dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise DataError(f"cannot read {file}: {error}") from error
