"""Letters beside points of a figure, placed so that they hide neither points nor each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import hypot
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points of the figure."""

_SIDES = ((1, 0.8), (-1, 0.8), (1, -0.8), (-1, -0.8), (-1, 0), (0, 1), (0, -1), (1, 0))
_FAR = (10.0, 14.0, 20.0, 28.0)
_FONT = 8.5


@dataclass(frozen=True, kw_only=True)
class Label:
    """A name to write beside a point; all in the axes' units."""

    name: str
    x: float
    y: float
    reach: float
    """How far right of the point its bar goes."""
    colour: str


def place(axes: "Axes", labels: Sequence[Label]) -> None:
    """Write each name beside its point; the figure must have been laid out and the axes' limits be final.

    Each takes the place that hides least: markers and names already there count much, distance little.
    """
    scale = 72 / axes.figure.dpi
    places = axes.transData.transform([(x, label.y) for label in labels for x in (label.x, label.reach)])
    at = [(float(x) * scale, float(y) * scale) for x, y in places[::2]]
    frame = [float(edge) * scale for edge in axes.get_window_extent().extents]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    taken += [(x, y - 1, float(far) * scale, y + 1) for (x, y), far in zip(at, places[1::2, 0], strict=True)]
    for (x, y), label in zip(at, labels, strict=True):
        name, colour = label.name, label.colour
        best = min(
            ((far * dx, far * dy) for far, (dx, dy) in product(_FAR, _SIDES)),
            key=lambda step, x=x, y=y, name=name: (  # type: ignore[misc]
                _cost(_box(x + step[0], y + step[1], name), step, taken, frame) + _mistaken(x, y, step, at)
            ),
        )
        taken.append(_box(x + best[0], y + best[1], name))
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            name,
            (label.x, label.y),
            xytext=best,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_FONT,
            fontweight="bold",
            color=colour,
            arrowprops=line if max(map(abs, best)) > _FAR[0] else None,
        ).set_in_layout(False)


def _box(x: float, y: float, name: str) -> Box:
    half = 3.7 * len(name)
    return (x - half, y - 4.5, x + half, y + 4.5)


def _cost(box: Box, step: tuple[float, float], taken: Sequence[Box], frame: Sequence[float]) -> float:
    left, bottom, right, top = box
    beyond = (frame[0] - left, right - frame[2], frame[1] - bottom, top - frame[3])
    outside = sum(max(0.0, length) for length in beyond)
    hidden = sum(_overlap(left, right, a, c) * _overlap(bottom, top, b, d) for a, b, c, d in taken)
    # Straight above and below run the bars of the AUC, to the right those of the latency.
    on_bar = 8.0 if step[0] == 0 or (step[1] == 0 and step[0] > 0) else 0.0
    return 20 * outside + 10 * hidden + on_bar + hypot(*step)


def _mistaken(x: float, y: float, step: tuple[float, float], at: Sequence[tuple[float, float]]) -> float:
    """The cost of a name that would be nearer to the marker of another."""
    own = hypot(*step)
    others = [hypot(x + step[0] - a, y + step[1] - b) for a, b in at]
    return 4 * max(0.0, own - min(others))


def _overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    return max(0.0, min(high, other_high) - max(low, other_low))
