"""A report's blocks as HTML. Every number keeps its place in the JSON: `<data value=X data-from=POINTER>`."""

import json
from collections.abc import Iterable
from html import escape

from ....report import page
from .blocks import (
    Block,
    Confusion,
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

STYLE = """
.verdict { font-size: 1.08rem; border-left: 5px solid #009e73; background: var(--wash); max-width: none;
  padding: .7rem 1rem; margin: 1rem 0; border-radius: 0 8px 8px 0; }
.verdict.bad { border-color: #d55e00; }
ul { max-width: 50rem; padding-left: 1.2rem; } li { margin: .35rem 0; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
tr.chosen td { background: #e3f3ee; font-weight: 600; }
.words td:last-child, .words th:last-child { text-align: left; white-space: normal; min-width: 14rem; }
.stacked td small { display: block; } .stacked td { vertical-align: top; line-height: 1.3; }
.stacked td:first-child { white-space: normal; min-width: 8.5rem; }
@media (min-width: 62rem) { .stacked td:first-child { min-width: 13rem; } }
.narrow table { width: auto; } .narrow td, .narrow th { padding-right: 2rem; }
.pair figure { margin-bottom: .4rem; }
.confusions { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr));
  gap: 1rem 1.4rem; }
.confusions table { font-size: .82rem; table-layout: fixed; }
.confusions caption { text-align: left; font-weight: 600; padding-bottom: .2rem; }
.confusions th, .confusions td { padding: .3rem .35rem; text-align: center; white-space: nowrap; }
.confusions th:first-child { width: 4rem; }
.confusions tbody th { text-align: left; font-weight: 400; padding-left: 0; }
.confusions td.right { background: #e3f3ee; } .confusions td.wrong { background: #fbe9df; }
@media (max-width: 30rem) {
  h1 { font-size: 1.35rem; } .cards { grid-template-columns: 1fr 1fr; } .card b { font-size: 1.3rem; }
  dl { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .5rem; }
  .grid { grid-template-columns: 1fr 1fr; }
  .words td:first-child { white-space: normal; min-width: 8rem; } .words td:last-child { min-width: 12rem; }
}
@media print {
  .verdict, tr.chosen td, .confusions td { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .confusions { grid-template-columns: repeat(3, 1fr); } .confusions table { break-inside: avoid; }
  .pair { grid-template-columns: 1fr 1fr; } .grid { grid-template-columns: repeat(5, 1fr); }
  .words td, .stacked td:first-child { white-space: normal; } .words td:last-child { min-width: 0; }
  h3, .note { break-after: avoid; } figcaption { break-before: avoid; }
}
"""


def render(title: str, blocks: Iterable[Block]) -> str:
    """A complete page under a plain title."""
    return page.document(title, map(_block, blocks), style=STYLE)


def phrase(parts: Phrase) -> str:
    """Parts as HTML; all text is escaped."""
    return "".join(map(_part, parts))


def _part(part: str | Number | Styled | Swatch) -> str:
    match part:
        case Number():
            place, value = escape(part.pointer), json.dumps(part.value)
            return f'<data value="{value}" data-from="{place}">{escape(part.text)}</data>'
        case Styled():
            return f"<{part.style}>{phrase(part.parts)}</{part.style}>"
        case Swatch():
            return f"<span class='swatch' style='background:{part.colour}'></span>"
        case _:
            return escape(part)


def _block(block: Block) -> str:
    match block:
        case Title():
            return f"<p class='kicker'>{phrase(block.kicker)}</p>\n<h1>{phrase(block.title)}</h1>"
        case Heading():
            return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p{' class=note' if block.note else ''}>{phrase(block.phrase)}</p>"
        case Verdict():
            return f"<p class='verdict{'' if block.good else ' bad'}'>{phrase(block.phrase)}</p>"
        case KeyNumbers():
            return page.cards((phrase(shown), phrase(words)) for shown, words in block.numbers)
        case Points():
            return f"<ul>{''.join(f'<li>{phrase(point)}</li>' for point in block.points)}</ul>"
        case Table():
            return _table(block)
        case Definitions():
            return page.definitions((name, phrase(words)) for name, words in block.facts)
        case Figure():
            return _figure(block)
        case Figures():
            shown = "".join(map(_figure, block.figures))
            return f"<div class='{'grid' if block.small else 'pair'}'>{shown}</div>"
        case Confusions():
            return f"<div class='confusions'>{''.join(map(_confusion, block.matrices))}</div>"


def _table(block: Table) -> str:
    rows = [page.row(map(phrase, row.cells), mark=row.mark) for row in block.rows]
    shown = page.table(block.headings, rows)
    return shown if block.look == "plain" else f"<div class='{block.look}'>{shown}</div>"


def _figure(block: Figure) -> str:
    if not block.title:
        return page.figure(block.draw(), phrase(block.caption))
    caption = f"{phrase(block.title)}<small>{phrase(block.caption)}</small>"
    return f"<figure><figcaption>{caption}</figcaption>{block.draw()}</figure>"


def _confusion(matrix: Confusion) -> str:
    tp, fn, fp, tn = (f"{phrase(before)} → {phrase(after)}" for _, before, after in matrix.cells)
    return (
        f"<table><caption>{phrase(matrix.title)}</caption>"
        "<thead><tr><th></th><th>called</th><th>not called</th></tr></thead><tbody>"
        f"<tr><th>present</th><td class='right'>{tp}</td><td class='wrong'>{fn}</td></tr>"
        f"<tr><th>absent</th><td class='wrong'>{fp}</td><td class='right'>{tn}</td></tr>"
        "</tbody></table>"
    )
