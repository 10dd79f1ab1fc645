"""The blocks of a report, before they are rendered as HTML or Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .facts import Phrase


@dataclass(frozen=True, kw_only=True)
class Title:
    """The head of the report: the title, and a line above it."""

    kicker: Phrase
    title: Phrase


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The title of a part."""

    text: str
    level: int = 2


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph; a note is in small print."""

    phrase: Phrase
    note: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The sentence that the report exists for."""

    phrase: Phrase
    good: bool


@dataclass(frozen=True, kw_only=True)
class KeyNumbers:
    """The few numbers to open with, each with what it is."""

    numbers: Sequence[tuple[Phrase, Phrase]]


@dataclass(frozen=True, kw_only=True)
class Points:
    """A list."""

    points: Sequence[Phrase]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table; `mark` is `reference`, `chosen` or empty."""

    cells: Sequence[Phrase]
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, and the layout of its cells."""

    headings: Sequence[str]
    rows: Sequence[Row]
    look: Literal["plain", "stacked", "words", "narrow"] = "plain"
    """stacked: intervals stand below their numbers; words: the last column is text; narrow: little in it."""


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """A list of names, each with its value."""

    facts: Sequence[tuple[str, Phrase]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing, which only HTML shows: its SVG text is made when the page is."""

    draw: Callable[[], str]
    caption: Phrase = ()
    title: Phrase = ()
    """Above the drawing, in a grid."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Drawings beside each other: two large ones, or a grid of small ones."""

    figures: Sequence[Figure]
    small: bool = False


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One class's decisions: what the reference made of it, and the chosen variant."""

    title: Phrase
    cells: Sequence[tuple[str, Phrase, Phrase]]
    """Name, count of the reference and count of the chosen: tp, fn, fp, tn."""


@dataclass(frozen=True, kw_only=True)
class Confusions:
    """All classes' decisions."""

    matrices: Sequence[Confusion]


Block = (
    Title
    | Heading
    | Paragraph
    | Verdict
    | KeyNumbers
    | Points
    | Table
    | Definitions
    | Figure
    | Figures
    | Confusions
)
