import pytest

from tools.data_loading import measure
from xopt.datasets import phantoms


def test_every_way_feeds_every_round_and_the_cache_is_fastest(tmp_path):
    phantoms.write(tmp_path / "phantoms", count=40, size=200)
    one, several, cache = measure(tmp_path / "phantoms", split="train", size=64, batch=8, rounds=2)
    assert [len(way.images_per_second) for way in (one, several, cache)] == [2, 2, 2]
    assert cache.median > 2 * max(one.median, several.median)
    assert cache.median == pytest.approx(sum(cache.images_per_second) / 2)
