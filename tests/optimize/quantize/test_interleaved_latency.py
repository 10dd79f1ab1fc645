"""Networks that take turns."""

from collections import Counter
from itertools import pairwise

import numpy as np

from xopt.optimize.quantize.interleaved_latency import WARM_UP, interleaved_latency

IMAGES = np.zeros((2, 4, 4), np.uint8)


class Noted:
    """A backend that writes down when it is asked."""

    def __init__(self, name, asked):
        self.name, self.asked = name, asked

    def infer(self, image_HW):
        self.asked.append(self.name)
        return np.zeros(1, np.float32)


def test_each_stands_everywhere_and_follows_every_other_equally_often():
    asked = []
    found = interleaved_latency({name: Noted(name, asked) for name in "abc"}, IMAGES, rounds=6)
    answered = "".join(asked[3 * WARM_UP :])
    rounds = [answered[i : i + 3] for i in range(0, 18, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    for place in range(3):
        assert Counter(one[place] for one in rounds) == {"a": 2, "b": 2, "c": 2}
    neighbours = Counter(pair for one in rounds for pair in pairwise(one))
    assert len(neighbours) == 6
    assert set(neighbours.values()) == {2}
    assert {one.rounds for one in found.values()} == {6}
    assert all(0 <= one.p10 <= one.median <= one.p90 for one in found.values())
