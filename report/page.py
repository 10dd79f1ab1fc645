"""The frame that every page of xopt has: one HTML file, no script, no font, no address outside of it."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { --ink: #1d2329; --soft: #5c6670; --line: #dfe3e8; --wash: #f5f7f9; --accent: #0072b2; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--ink); }
p { margin: .5rem 0; max-width: 48rem; }
.kicker { color: var(--soft); font-size: .9rem; margin: 0 0 .3rem; }
.note { color: var(--soft); font-size: .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.card { background: var(--wash); border-radius: 8px; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.6rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .88rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .4rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td small { color: var(--soft); font-size: .92em; }
tr.reference td { background: var(--wash); }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .5em; }
figure { margin: 1.2rem 0; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 48rem; }
figure > svg { display: block; width: 100%; max-width: 44rem; height: auto; }
.pair { display: grid; gap: 0 2rem; align-items: start; }
.pair figure { min-width: 0; }
@media (min-width: 62rem) { .pair { grid-template-columns: 1fr 1fr; } }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); gap: 1rem .8rem; }
.grid figure { margin: 0; break-inside: avoid; }
.grid figcaption { color: var(--ink); font-size: .85rem; line-height: 1.3; margin-bottom: .2rem; }
.grid figcaption small { color: var(--soft); display: block; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1.2rem;
  font-size: .92rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media print {
  @page { margin: 14mm; }
  html, body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: .25rem .3rem; }
  h2 { break-after: avoid; }
  figure, tr, .card { break-inside: avoid; }
  .card, tr.reference td, .swatch { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
"""Readable on a phone, on a desk and on paper."""


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
            f"<style>{_STYLE}{style}</style>",
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
