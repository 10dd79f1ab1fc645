"""Networks that take turns."""

import numpy as np

from xopt.optimize.side_by_side import WARM_UP, side_by_side

IMAGES = np.zeros((2, 4, 4), np.uint8)


class Noted:
    """A backend that writes down when it is asked."""

    def __init__(self, name, asked):
        self.name, self.asked = name, asked

    def infer(self, image_HW):
        self.asked.append(self.name)
        return np.zeros(1, np.float32)


def test_each_begins_equally_often_and_answers_once_a_round():
    asked = []
    found = side_by_side({name: Noted(name, asked) for name in "abc"}, IMAGES, rounds=6)
    rounds = "".join(asked[3 * WARM_UP :])
    assert [rounds[i : i + 3] for i in range(0, 18, 3)] == ["abc", "bca", "cab"] * 2
    assert {one.rounds for one in found.values()} == {6}
    assert all(0 <= one.p10 <= one.median <= one.p90 for one in found.values())
