"""Letters beside points of a figure, placed so that they hide neither points nor each other."""

from collections.abc import Sequence
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


def place(
    axes: "Axes", points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Write a name beside each point; the axes' limits must be final.

    Each takes the place that hides least: markers and names already there count much, distance little.
    """
    figure = axes.figure
    # The layout moves the axes, and only then is it known what lies beside what.
    figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = 72 / figure.dpi
    at = [(float(x) * scale, float(y) * scale) for x, y in axes.transData.transform(points)]
    frame = [float(edge) * scale for edge in axes.get_window_extent().extents]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    for (x, y), point, name, colour in zip(at, points, names, colours, strict=True):
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
            point,
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
    half = 3.4 * len(name)
    return (x - half, y - 4.5, x + half, y + 4.5)


def _cost(box: Box, step: tuple[float, float], taken: Sequence[Box], frame: Sequence[float]) -> float:
    left, bottom, right, top = box
    beyond = (frame[0] - left, right - frame[2], frame[1] - bottom, top - frame[3])
    outside = sum(max(0.0, length) for length in beyond)
    hidden = sum(_overlap(left, right, a, c) * _overlap(bottom, top, b, d) for a, b, c, d in taken)
    # Straight above and below run the bars of the AUC, to the right those of the latency.
    on_bar = 8.0 if step[0] == 0 or (step[1] == 0 and step[0] > 0) else 0.0
    return 20 * outside + 3 * hidden + on_bar + hypot(*step)


def _mistaken(x: float, y: float, step: tuple[float, float], at: Sequence[tuple[float, float]]) -> float:
    """How much nearer a name would be to the marker of another."""
    own = hypot(*step)
    others = [hypot(x + step[0] - a, y + step[1] - b) for a, b in at]
    return 4 * max(0.0, own - min(others))


def _overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    return max(0.0, min(high, other_high) - max(low, other_low))
