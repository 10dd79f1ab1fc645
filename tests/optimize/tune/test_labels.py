import numpy as np
import pytest

pytest.importorskip("matplotlib")

from xopt.optimize.tune.report.labels import Label, place
from xopt.optimize.tune.report.variants import _letter
from xopt.report.plots import new_figure


def placed(points):
    """The boxes in which names were written, and the markers, in pixels."""
    with new_figure(6, 4) as figure:
        from matplotlib.text import Text

        axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        labels = [Label(name="AB", x=x, y=y, reach=x, colour="black") for x, y in points]
        figure.draw_without_rendering()
        place(axes, labels)
        figure.draw_without_rendering()
        # The line from a name to its point is no part of the name.
        boxes = [Text.get_window_extent(text) for text in axes.texts]
        return boxes, axes.transData.transform(points), axes.get_window_extent()


@pytest.mark.parametrize("apart", [0.0, 0.02, 0.3])
def test_names_of_points_close_together_do_not_cover_each_other(apart):
    boxes, _, _ = placed([(5 + apart * i, 5 + apart * (i % 2)) for i in range(6)])
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)


def test_a_name_hides_no_marker():
    points = np.random.default_rng(0).uniform(1, 9, (12, 2))
    boxes, markers, _ = placed(points)
    assert not any(box.contains(*marker) for box in boxes for marker in markers)


def test_names_of_points_in_corners_stay_inside():
    boxes, _, frame = placed([(0, 0), (10, 0), (0, 10), (10, 10)])
    for box in boxes:
        assert frame.x0 - 1 <= box.x0
        assert box.x1 <= frame.x1 + 1
        assert frame.y0 - 1 <= box.y0
        assert box.y1 <= frame.y1 + 1


def test_letters_go_on_after_the_alphabet():
    assert [_letter(index) for index in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
