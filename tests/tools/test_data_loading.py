import time

import pytest

from xopt.datasets import phantoms
from xopt.tools import data_loading
from xopt.tools.data_loading import measure


@pytest.fixture
def decoding_as_time(monkeypatch):
    """A clock that goes forward by a second an image that is decoded, and a little whenever it is read."""
    passed, decode = [0.0], data_loading._decode

    def counted(*words):
        passed[0] += 1.0
        return decode(*words)

    def read():
        passed[0] += 0.01
        return passed[0]

    monkeypatch.setattr(data_loading, "_decode", counted)
    monkeypatch.setattr(time, "perf_counter", read)


def test_every_way_feeds_every_round_and_the_cache_is_fastest(tmp_path, decoding_as_time):
    phantoms.write(tmp_path / "phantoms", count=40, size=200)
    single, several, cache = measure(tmp_path / "phantoms", split="train", size=64, batch=8, rounds=2)
    assert [len(way.images_per_second) for way in (single, several, cache)] == [2, 2, 2]
    assert cache.median > 2 * max(single.median, several.median)
    assert cache.median == pytest.approx(sum(cache.images_per_second) / 2)
