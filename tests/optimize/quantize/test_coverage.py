"""Farthest points, and what a choice of images covers."""

from itertools import combinations

import numpy as np
import pytest

from xopt.optimize.quantize.activations import covering_radius, farthest_points, standardized


def line(*places: float) -> np.ndarray:
    return np.array(places, dtype=float).reshape(-1, 1)


def crowd(count: int, seed: int) -> np.ndarray:
    """Most points close together, a few far out, as images of one kind are."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((count, 6)) * generator.lognormal(0, 1, (count, 1))


@pytest.mark.parametrize(
    ("points", "count", "expected"),
    [
        (line(0, 1, 2, 10), 0, []),
        (line(0, 1, 2, 10), 4, [0, 1, 2, 3]),
        (line(5, 5, 5), 2, 2),
        (line(0, 0, 0, 7), 2, {3}),
        (line(0, 1, 2, 3, 100, -100), 3, {4, 5}),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_farthest_are_chosen(points, count, expected, seed):
    chosen = list(farthest_points(points, count, seed=seed))
    assert chosen == sorted(set(chosen))
    if isinstance(expected, list):
        assert chosen == expected
    elif isinstance(expected, set):
        assert expected <= set(chosen)
    assert len(chosen) == count


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_no_choice_leaves_less_than_half_of_its_radius(count, seed):
    points = crowd(11, seed)
    best = min(covering_radius(points, choice) for choice in combinations(range(11), count))
    assert covering_radius(points, farthest_points(points, count, seed=seed)) <= 2 * best


@pytest.mark.parametrize("seed", range(5))
def test_farthest_points_cover_more_than_any_of_fifty_random_draws(seed):
    points = crowd(300, seed)
    generator = np.random.default_rng(seed)
    random = min(covering_radius(points, generator.permutation(300)[:30]) for _ in range(50))
    assert covering_radius(points, farthest_points(points, 30, seed=seed)) < 0.8 * random


def test_the_seed_decides_the_first_point():
    points = crowd(50, 0)
    first, again, other = (list(farthest_points(points, 5, seed=s)) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert len({int(farthest_points(points, 1, seed=s)[0]) for s in range(20)}) > 5


@pytest.mark.parametrize("count", [-1, 4])
def test_more_points_than_there_are_cannot_be_chosen(count):
    with pytest.raises(ValueError, match=r"count must be in 0\.\.3"):
        farthest_points(line(0, 1, 2), count, seed=0)


@pytest.mark.parametrize(
    ("points", "chosen", "radius"),
    [
        (line(0, 1, 2), [0, 1, 2], 0),
        (line(0, 1, 2), [1], 1),
        (line(0, 1, 2), [0], 2),
        (line(0, 4, 10), [0, 2], 4),
        (np.array([[0.0, 0.0], [3.0, 4.0]]), [0], 5),
    ],
)
def test_the_radius_reaches_the_point_that_lies_farthest(points, chosen, radius):
    assert covering_radius(points, chosen) == radius


def test_nothing_covers_nothing():
    with pytest.raises(ValueError, match="at least 1 chosen point"):
        covering_radius(line(0, 1), [])


def test_columns_count_alike_whatever_their_scale():
    points = standardized(np.array([[1, 1000, 3], [2, 3000, 3], [3, 5000, 3]], dtype=np.float32))
    np.testing.assert_allclose(points[:, 0], points[:, 1])
    np.testing.assert_array_equal(points[:, 2], 0)
    assert points[:, 0].std() == pytest.approx(1)
