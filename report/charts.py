"""Small charts as SVG text, with no library and no address outside of the page."""

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""One a split, told apart by people with colour blindness, too (Okabe & Ito 2008)."""

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 220, 8, 24, 8
_BAR, _GAP, _LABEL, _VALUE = 11, 9, 190, 130


def key(names: Sequence[str]) -> str:
    """Which colour stands for which split."""
    swatches = (
        f'<span class="swatch" style="background:{colour(i)}"></span>{escape(name)}'
        for i, name in enumerate(names)
    )
    return f'<p class="note">{" &nbsp; ".join(swatches)}</p>'


def colour(index: int) -> str:
    """The colour of the split at `index`."""
    return COLOURS[index % len(COLOURS)]


def curves(shares: Mapping[str, Sequence[float]], lowest: float, highest: float, label: str) -> str:
    """Histograms over lowest..highest as lines, one a split, each as shares of its own whole."""
    top = max((max(values) for values in shares.values() if values), default=0) or 1
    lines = []
    for number, values in enumerate(shares.values()):
        if not values:
            continue
        step = (_WIDTH - 2 * _LEFT) / len(values)
        points = " ".join(
            f"{_LEFT + (i + 0.5) * step:.1f},{_TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM):.1f}"
            for i, value in enumerate(values)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour(number)}" stroke-width="2"/>')
    base = _HEIGHT - _BOTTOM
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _LEFT}" y2="{base}" stroke="#5c6670"/>'
        + "".join(lines)
        + _text(_LEFT, _HEIGHT - 6, f"{lowest:g}")
        + _text(_WIDTH / 2, _HEIGHT - 6, label, anchor="middle")
        + _text(_WIDTH - _LEFT, _HEIGHT - 6, f"{highest:g}", anchor="end")
        + "</svg>"
    )


def bars(counts: Mapping[str, Sequence[tuple[int, int]]], label: str) -> str:
    """For each class a bar a split: how many of how many have it, drawn as the share."""
    top = max((of and count / of for rows in counts.values() for count, of in rows), default=0) or 1
    height, y, parts = 0, 0, []
    for name, rows in counts.items():
        middle = y + (_BAR * len(rows)) / 2 + 4
        parts.append(_text(_LABEL - 8, middle, name, anchor="end"))
        for number, (count, of) in enumerate(rows):
            share = count / of if of else 0.0
            width = share / top * (_WIDTH - _LABEL - _VALUE)
            parts.append(
                f'<rect x="{_LABEL}" y="{y}" width="{max(width, 0.5):.1f}" height="{_BAR - 2}" '
                f'fill="{colour(number)}"/>'
                + _text(_LABEL + width + 6, y + 9, f"{count} ({100 * share:.1f} %)")
            )
            y += _BAR
        y += _GAP
        height = y
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="11" fill="#1d2329" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}</text>"
