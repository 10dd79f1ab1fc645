"""Which candidates nobody beats in both: quality, and what it costs."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other one is at least as good as in both, and better in one.

    Args:
        points: (value, the more the better; cost, the less the better) each.

    Returns:
        in rising order of cost; of several equal points, the first.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i)):
        if not front or points[index][0] > points[front[-1]][0]:
            front.append(index)
    return front
