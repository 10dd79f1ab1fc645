"""Pieces of the report's HTML: figures with captions, tables, codes."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ...benchmarks.plots import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(drawn: "Figure", prefix: str, caption: str = "") -> str:
    """A drawing, with a line below it where there is something to say."""
    said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{to_svg(drawn, prefix=prefix, inline=True)}{said}</figure>"


def table(headings: Sequence[str], rows: Sequence[str]) -> str:
    """A table of rows that are HTML already; it scrolls by itself on a narrow screen."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(cells: Sequence[str], *, won: bool) -> str:
    """A row of cells that are HTML already, marked where it is the winner's."""
    return f"<tr{' class=winner' if won else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def code(text: str) -> str:
    """A network's code, in letters of one width."""
    return f"<span class='code'>{escape(text)}</span>"
