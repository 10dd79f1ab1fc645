"""The front of quality and cost."""

import pytest

from xopt.nas.search.candidates import pareto_front


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(0.9, 1.0)], [0]),
        ([(0.9, 1.0), (0.8, 2.0)], [0]),
        ([(0.8, 1.0), (0.9, 2.0)], [0, 1]),
        ([(0.9, 2.0), (0.8, 1.0)], [1, 0]),
        ([(0.9, 1.0), (0.9, 1.0)], [0]),
        ([(0.9, 1.0), (0.9, 2.0)], [0]),
        ([(0.8, 1.0), (0.9, 1.0)], [1]),
        ([(0.7, 1.0), (0.9, 3.0), (0.6, 2.0), (0.8, 2.0)], [0, 3, 1]),
    ],
)
def test_what_nobody_beats_in_both_is_on_the_front(points, front):
    assert pareto_front(points) == front
