"""The frame that every page of xopt has: one HTML file, no script, no font, no address outside of it."""

from collections.abc import Iterable, Sequence
from html import escape

from .style import STYLE


def document(title: str, body: Iterable[str], *, style: str = "") -> str:
    """A whole page.

    Args:
        title: plain text, of the window.
        body: parts that are HTML already.
        style: CSS rules of this page alone, after those of all pages.
    """
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}{style}</style>",
            "</head>",
            "<body>",
            "<main>",
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def cards(facts: Iterable[tuple[str, str]]) -> str:
    """The few numbers that a page opens with: each and what it is, both HTML already."""
    shown = "".join(f"<div class='card'><b>{number}</b><span>{words}</span></div>" for number, words in facts)
    return f"<div class='cards'>{shown}</div>"


def table(headings: Sequence[str], rows: Iterable[str]) -> str:
    """A table under plain headings, of rows as `row` makes them; it scrolls by itself on a narrow screen."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(cells: Iterable[str], *, mark: str = "") -> str:
    """A row of cells that are HTML already.

    Args:
        cells: from the left.
        mark: class of the row, by which the style sets it apart.
    """
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr class='{mark}'>{shown}</tr>" if mark else f"<tr>{shown}</tr>"


def figure(svg: str, caption: str = "") -> str:
    """A drawing, with a line of HTML below it where there is something to say."""
    said = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{svg}{said}</figure>"


def definitions(facts: Iterable[tuple[str, str]]) -> str:
    """Plain names, and what they are as HTML."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>"
