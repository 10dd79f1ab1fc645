import numpy as np
import pytest

from xopt.benchmarks.latency import percentiles, speedup


def test_percentiles_are_of_the_images():
    found = percentiles(np.arange(1.0, 102.0))
    assert (found.p50, found.p90, found.p99) == (51, 91, 100)


def test_the_speedup_is_the_ratio_of_medians():
    random = np.random.default_rng(0)
    reference, candidate = 300 + random.random(200) * 9, 30 + random.random(200)
    found = speedup(reference, candidate, resamples=300)
    assert found.ratio == pytest.approx(np.median(reference) / np.median(candidate))
    assert found.interval.lower < found.ratio < found.interval.upper
    assert found.interval.upper - found.interval.lower < 0.2


def test_stragglers_do_not_move_the_speedup():
    reference, candidate = np.full(100, 200.0), np.full(100, 20.0)
    candidate[:10] = 2000
    assert speedup(reference, candidate, resamples=100).ratio == pytest.approx(10)


def test_a_mood_of_the_machine_that_both_share_widens_nothing():
    mood = np.repeat([1.0, 1.5], 100)
    found = speedup(200 * mood, 20 * mood, resamples=200)
    assert (found.interval.lower, found.interval.upper) == (pytest.approx(10), pytest.approx(10))


def test_the_reference_is_exactly_as_fast_as_itself():
    times = np.random.default_rng(0).random(50) + 1
    found = speedup(times, times, resamples=100)
    assert (found.ratio, found.interval.lower, found.interval.upper) == (1, 1, 1)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (3, 2)])
def test_latencies_must_be_of_the_same_images(ours, theirs):
    with pytest.raises(ValueError, match="of the same images"):
        speedup(np.ones(ours), np.ones(theirs))
