"""A network as a drawing: one box a block, from the image to the answer, as SVG of our own making.

Boxes are as tall as the map that a block gives, and coloured by how it works; below each stands what it is.
"""

from dataclasses import dataclass
from html import escape
from math import log2

from ...models.arch_spec import Block
from ...models.registry import spec

_STEP, _BOX = 82, 54
_TOP, _TALLEST, _SHORTEST = 26, 108, 30
_LINE = 13
_FILLS = {"plain": "#d5dbe1", "small": "#bfe0f5", "large": "#7fb8de", "ends": "#f3dcb0"}


@dataclass(frozen=True, kw_only=True)
class _Box:
    words: tuple[str, ...]
    side: int
    """Of the map it gives."""
    fill: str
    shortcut: bool = False


def draw(architecture: str, *, size: int, classes: int, columns: int = 12) -> str:
    """A searched network as an SVG element that can stand in a page.

    Args:
        architecture: as `models.registry.build` takes it.
        size: side of the network's input in pixels.
        classes: outputs.
        columns: boxes in a row before the next row begins.

    Raises:
        UsageError: not the name of a searched network.
        ValueError: a name of no searched family.
    """
    network = spec(architecture, classes=classes, channels=1)
    if network is None:
        raise ValueError(f"architecture must be a searched network's, got {architecture!r}.")
    boxes = [_Box(words=("image", f"{size} x {size}"), side=size, fill=_FILLS["ends"])]
    side = size
    for block in network.blocks:
        side = block.side(side)
        boxes.append(_box(block, side))
    boxes.append(_Box(words=("mean,", "linear", f"{classes} out"), side=1, fill=_FILLS["ends"]))
    rows = [boxes[start : start + columns] for start in range(0, len(boxes), columns)]
    height = _TOP + _TALLEST + 5 * _LINE
    width = _STEP * max(map(len, rows))
    drawn = [
        f'<g transform="translate(0 {place * height})">{_row(row, size, first=place == 0)}</g>'
        for place, row in enumerate(rows)
    ]
    title = escape(f"{architecture}: {len(network.blocks)} blocks, {network.parameters:,} parameters")
    return (
        f'<svg class="network" viewBox="0 0 {width} {height * len(rows)}" role="img" '
        f'aria-label="{title}" font-family="inherit" font-size="11" text-anchor="middle">'
        f"<title>{title}</title>{''.join(drawn)}</svg>"
    )


def _box(block: Block, side: int) -> _Box:
    first, last = block.convolutions[0], block.convolutions[-1]
    depthwise = next((c for c in block.convolutions if c.groups > 1), None)
    channels = f"{first.inputs} → {last.outputs}"
    halves = "stride 2" if block.stride > 1 else ""
    if depthwise is None:
        words = (f"conv {first.kernel}x{first.kernel}", channels, halves)
        return _Box(words=words, side=side, fill=_FILLS["plain"], shortcut=block.shortcut)
    expansion = depthwise.inputs // first.inputs
    words = (f"MB {depthwise.kernel}x{depthwise.kernel} e{expansion}", channels, halves)
    fill = _FILLS["small" if depthwise.kernel <= 3 else "large"]
    return _Box(words=words, side=side, fill=fill, shortcut=block.shortcut)


def _row(boxes: list[_Box], size: int, *, first: bool) -> str:
    middle = _TOP + _TALLEST / 2
    parts = []
    for place, box in enumerate(boxes):
        centre, height = _STEP * place + _STEP / 2, _height(box.side, size)
        if place or not first:
            start = centre - _STEP + _BOX / 2 if place else 0
            parts.append(
                f'<line x1="{start:g}" y1="{middle:g}" x2="{centre - _BOX / 2:g}" y2="{middle:g}" '
                'stroke="#888"/>'
            )
        if box.shortcut:
            left, right, up = centre - _STEP / 2 + 3, centre + _STEP / 2 - 3, _TOP - 12
            parts.append(
                f'<path d="M{left:g} {middle:g} V{up} H{right:g} V{middle:g}" fill="none" stroke="#888" '
                'stroke-dasharray="3 2"/>'
            )
        parts.append(
            f'<rect x="{centre - _BOX / 2:g}" y="{middle - height / 2:g}" width="{_BOX}" height="{height:g}" '
            f'rx="4" fill="{box.fill}" stroke="#666" stroke-width=".7"/>'
            f'<text x="{centre:g}" y="{middle + 4:g}">{box.side}²</text>'
        )
        parts += [
            f'<text x="{centre:g}" y="{_TOP + _TALLEST + _LINE * (line + 1):g}">{escape(word)}</text>'
            for line, word in enumerate(box.words)
        ]
    return "".join(parts)


def _height(side: int, size: int) -> float:
    """Taller for larger maps: each halving takes the same off."""
    halvings, most = log2(size / side), max(1.0, log2(size))
    return _SHORTEST + (_TALLEST - _SHORTEST) * (1 - halvings / most)
