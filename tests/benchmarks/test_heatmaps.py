"""Agreement of heatmaps: on maps drawn by hand, and on graphs that answer with such maps."""

from itertools import pairwise

import numpy as np
import pytest

from xopt.benchmarks.heatmaps import compare_heatmaps, compare_maps, images_with_findings
from xopt.datasets import Split
from xopt.runtime.images.preprocessing import Preprocessing

SIDE = 64
WHOLE = Preprocessing.square(SIDE, SIDE)


def spot(row: float, column: float, *, width: float = 9.0):
    """A round spot of evidence, float64 (64, 64)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))


@pytest.mark.parametrize("level", [0.0, -4.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_level_and_scale_of_a_map_do_not_count(level, scale):
    found = compare_maps(spot(20, 30), level + scale * spot(20, 30))
    assert (found.correlation, found.same_peak, found.overlap) == (pytest.approx(1), True, 1.0)


def test_evidence_turned_round_is_told_from_evidence():
    found = compare_maps(spot(20, 30), -spot(20, 30))
    assert (found.correlation, found.same_peak, found.overlap) == (pytest.approx(-1), False, 0.0)


@pytest.mark.parametrize(
    ("row", "column", "same"),
    [(20, 30, True), (24, 30, True), (24, 26, True), (25, 30, False), (20, 35, False), (50, 10, False)],
)
def test_peaks_within_a_sixteenth_of_the_side_are_one_place(row, column, same):
    assert compare_maps(spot(20, 30), spot(row, column)).same_peak == same


def test_agreement_falls_as_the_spot_moves():
    moved = [compare_maps(spot(20, 20), spot(20, 20 + step)) for step in (0, 3, 8, 30)]
    assert all(a.correlation > b.correlation for a, b in pairwise(moved))
    assert all(a.overlap > b.overlap for a, b in pairwise(moved))
    # Two discs of a tenth of the pixels, radius r, 8 apart: the lens over the union of both.
    r, d = np.sqrt(0.1 * SIDE**2 / np.pi), 8
    lens = 2 * r**2 * np.arccos(d / (2 * r)) - d / 2 * np.sqrt(4 * r**2 - d**2)
    assert moved[2].overlap == pytest.approx(lens / (2 * np.pi * r**2 - lens), abs=0.03)


def test_what_only_one_of_them_saw_is_left_out():
    one, other = spot(30, 30), spot(30, 30)
    one[:8], other[:, :8] = np.nan, np.nan
    other[:4] = 100
    found = compare_maps(one, other)
    assert (found.correlation, found.same_peak, found.overlap) == (pytest.approx(1), True, 1.0)


def test_a_flat_map_shows_nothing_and_two_of_them_compare_to_nothing():
    flat = np.full((SIDE, SIDE), 3.0)
    for pair in ((flat, spot(20, 20)), (spot(20, 20), flat)):
        found = compare_maps(*pair)
        assert (found.correlation, found.same_peak, found.overlap) == (0.0, False, 0.0)
    assert compare_maps(flat, flat) is None
    assert compare_maps(np.full((SIDE, SIDE), np.nan), spot(20, 20)) is None


class Drawn:
    """A graph of three classes that answers with maps drawn from an image's first pixel."""

    input_shape, output_shape = (1, SIDE, SIDE), (1, 3)

    def __init__(self, places) -> None:
        self.places = places
        self.asked: list[int] = []

    def activation_maps(self, image_HW):
        number = int(image_HW[0, 0])
        self.asked.append(number)
        maps = [spot(row, column) for row, column in self.places(number)]
        return np.stack(maps)[np.newaxis].astype(np.float32)


def numbered(count: int):
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, SIDE, SIDE))


def test_only_findings_that_are_there_are_compared():
    steady = Drawn(lambda number: [(10, 10), (30, 30), (50, 50)])
    wandering = Drawn(lambda number: [(10, 10), (30, 60), (50, 50 - 8 * (number == 3))])
    # Class 1, whose spot went astray, is in no image: unknown in one of them.
    labels = np.array([[1, 0, 0], [0, -1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    found = compare_heatmaps(steady, wandering, numbered(5), labels, WHOLE)
    assert (found.images, found.maps) == (3, 4)
    assert found.pointing_agreement == 0.75
    assert found.correlation_median == pytest.approx(1)
    moved = compare_maps(spot(50, 50), spot(50, 42)).correlation
    assert found.correlation_p10 == pytest.approx(np.quantile([moved, 1, 1, 1], 0.1), abs=1e-4)
    assert steady.asked == wandering.asked == [0, 2, 3]
    assert found.to_json() == {
        "images": 3,
        "maps": 4,
        "correlation": {"median": found.correlation_median, "p10": found.correlation_p10},
        "pointing_agreement": 0.75,
        "overlap": {"median": found.overlap_median},
    }


def test_images_with_a_finding_are_spread_over_the_split():
    labels = np.zeros((40, 3), dtype=np.uint8)
    labels[10:30, 0] = 1
    mask = np.ones(labels.shape, dtype=bool)
    mask[10] = False
    names = tuple(f"{i}.png" for i in range(40))
    split = Split(name="val", images=names, labels_NC=labels, patients=names, folders=(), mask_NC=mask)
    assert images_with_findings(split, 4).images == ("11.png", "17.png", "23.png", "29.png")
    assert len(images_with_findings(split, 100)) == 19


def test_without_a_finding_there_is_nothing_to_say():
    graph = Drawn(lambda number: [(10, 10)] * 3)
    assert compare_heatmaps(graph, graph, numbered(4), np.zeros((4, 3), dtype=int), WHOLE) is None


def test_plans_of_different_crops_are_compared_where_both_look():
    """A centre crop's map covers the middle; the whole image's is cut to it."""
    centre = Preprocessing.square(SIDE, 32)
    whole = Drawn(lambda number: [(32, 36)] * 3)
    middle = Drawn(lambda number: [(16, 20)] * 3)
    middle_maps = middle.activation_maps
    middle.activation_maps = lambda image: middle_maps(image)[:, :, :32, :32]
    labels = np.ones((2, 3), dtype=int)
    found = compare_heatmaps(whole, middle, numbered(2), labels, WHOLE, candidate_preprocessing=centre)
    assert found.correlation_p10 > 0.999
    assert found.pointing_agreement == 1


@pytest.mark.parametrize(
    ("images", "size", "said"), [(3, SIDE, "as many rows of labels"), (2, 72, "images of one size")]
)
def test_what_does_not_fit_is_refused(images, size, said):
    graph = Drawn(lambda number: [(10, 10)] * 3)
    other = Preprocessing.square(size, SIDE)
    with pytest.raises(ValueError, match=said):
        compare_heatmaps(
            graph, graph, numbered(images), np.ones((2, 3)), WHOLE, candidate_preprocessing=other
        )
