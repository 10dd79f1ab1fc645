"""A report's blocks as Markdown: the same words and numbers, without the figures."""

import re
from collections.abc import Iterable, Sequence

from .blocks import (
    Block,
    Confusions,
    Definitions,
    Figure,
    Figures,
    Heading,
    KeyNumbers,
    Paragraph,
    Points,
    Table,
    Title,
    Verdict,
)
from .facts import Number, Phrase, Styled, Swatch

# What could start markup or HTML, or leave a table's cell.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render(blocks: Iterable[Block]) -> str:
    """A complete document."""
    return "\n\n".join(shown for block in blocks if (shown := _block(block))) + "\n"


def phrase(parts: Phrase) -> str:
    """Parts as Markdown on one line; all text is escaped."""
    return "".join(map(_part, parts))


def _part(part: str | Number | Styled | Swatch) -> str:
    match part:
        case Number():
            return _plain(part.text)
        case Styled(style="code"):
            return f"`{_raw(part.parts)}`"
        case Styled(style="strong"):
            return f"**{phrase(part.parts)}**"
        case Styled():
            return phrase(part.parts)
        case Swatch():
            return ""
        case _:
            return _plain(part)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.splitlines()))


def _raw(parts: Phrase) -> str:
    """Text for between backticks, where nothing can be escaped; a cell's end could still be in it."""
    words = "".join(part if isinstance(part, str) else phrase((part,)) for part in parts)
    return re.sub(r"[`|\r\n]", " ", words)


def _block(block: Block) -> str:
    match block:
        case Title():
            return f"# {phrase(block.title)}\n\n{phrase(block.kicker)}"
        case Heading():
            return f"{'#' * block.level} {_plain(block.text)}"
        case Paragraph():
            return phrase(block.phrase)
        case Verdict():
            return phrase(block.phrase)
        case KeyNumbers():
            return "\n".join(f"- **{phrase(shown)}** {phrase(words)}" for shown, words in block.numbers)
        case Points():
            return "\n".join(f"- {phrase(point)}" for point in block.points)
        case Table():
            return _table(block.headings, [row.cells for row in block.rows])
        case Definitions():
            return "\n".join(f"- {_plain(name)}: {phrase(words)}" for name, words in block.facts)
        case Confusions():
            return _confusions(block)
        case Figure() | Figures():
            return ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[Phrase]]) -> str:
    lines = [
        f"| {' | '.join(map(_plain, headings))} |",
        f"|{'|'.join([' --- ', *(' ---: ' for _ in headings[1:])])}|",
        *(f"| {' | '.join(map(phrase, cells))} |" for cells in rows),
    ]
    return "\n".join(lines)


def _confusions(block: Confusions) -> str:
    headings = ["finding", "found", "missed", "false alarms", "rightly absent"]
    rows: list[list[Phrase]] = [
        [matrix.title, *((*before, " → ", *after) for _, before, after in matrix.cells)]
        for matrix in block.matrices
    ]
    return _table(headings, rows)
