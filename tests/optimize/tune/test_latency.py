"""Latencies of engines that only wait: which drop out, which fail, which stay."""

import sys
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Split
from xopt.optimize.tune.latency import (
    MIN_ROUNDS,
    ROUNDS,
    LatencyBenchmark,
    TimedVariant,
    latency_stats,
    screen,
)
from xopt.runtime import Preprocessing

SQUARE = Preprocessing.square(8, 8)

HELPERS = '''
"""An engine that takes its time."""

import time
from dataclasses import dataclass

import numpy as np
from xopt.runtime import BundleError, Preprocessing


@dataclass(frozen=True)
class Waiting:
    name: str
    wait_s: float
    fails: bool = False
    engine: str = "waiting"
    precision: str = "FP32"
    crops: str = "center"

    def open(self):
        if self.fails:
            raise BundleError("it was changed; export it again")
        return self

    def infer(self, image_HW):
        time.sleep(self.wait_s)
        return np.array([image_HW.mean() / 255], dtype=np.float32)

    def infer_files(self, files, streams=None):
        time.sleep(0.02 / (streams or 1))
        return np.stack([self.infer(file) for file in files])

    def describe(self):
        return ("Mass",), Preprocessing.square(8, 8), 1.5

    def macs(self):
        return 7
'''


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("helpers")
    (folder / "waiting_engine.py").write_text(HELPERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import waiting_engine

        yield waiting_engine.Waiting
    sys.modules.pop("waiting_engine")


@pytest.fixture
def split():
    names = tuple(f"{i}.png" for i in range(20))

    class Made(Split):
        def source(self, index):
            return np.full((8, 8), index, dtype=np.uint8)

    return Made(
        name="val", images=names, labels_NC=np.zeros((20, 1), np.uint8), patients=names, folders=(Path(),)
    )


def timed(waiting, name, wait_s, function="f", fails=False):
    return TimedVariant(variant=waiting(name, wait_s, fails), function=function)


def test_the_slower_of_the_same_function_drops_out_and_others_stay(waiting, split):
    fast, slow = timed(waiting, "fast", 0.001), timed(waiting, "slow", 0.05)
    other, broken = timed(waiting, "other", 0.05, "g"), timed(waiting, "broken", 0, "g", fails=True)
    said = []
    with LatencyBenchmark(split, SQUARE, rounds=ROUNDS, reference="nobody") as benchmark:
        left = screen(benchmark, [[fast, slow], [other, broken]], said.append)
    assert [variant.name for variant in left] == ["fast", "other"]
    assert "clearly slower than fast" in benchmark.times["slow"].dropped
    assert MIN_ROUNDS <= len(benchmark.times["slow"].latency_ms) < ROUNDS
    assert benchmark.times["broken"].failed == "broken: it was changed; export it again"
    for name in ("fast", "other"):
        assert len(benchmark.times[name].latency_ms) == ROUNDS
        assert benchmark.times[name].size_mb == 1.5
    assert benchmark.times["fast"].answers == benchmark.times["other"].answers
    assert said == ["f: fast", "g: other"]


def test_the_reference_never_drops_out(waiting, split):
    fast, reference = timed(waiting, "fast", 0.001), timed(waiting, "reference", 0.03)
    with LatencyBenchmark(split, SQUARE, rounds=ROUNDS, reference="reference") as benchmark:
        left = screen(benchmark, [[reference], [fast]], lambda line: None)
        rates = benchmark.files(left, rounds=2, count=3)
        assert benchmark.macs(fast) == 7
    assert [variant.name for variant in left] == ["reference", "fast"]
    assert {name: [one["streams"] for one in ways] for name, ways in rates.items()} == {
        "reference": [None],
        "fast": [None],
    }
    assert all(len(one["files_per_second"]) == 2 for ways in rates.values() for one in ways)


def test_an_engine_that_streams_is_tried_with_each_number_of_images_at_once(waiting, split):
    plain = timed(waiting, "plain", 0)
    streaming = TimedVariant(variant=waiting("streaming", 0, engine="openvino"), function="f")
    with LatencyBenchmark(split, SQUARE, rounds=ROUNDS, reference="nobody") as benchmark:
        left = benchmark.start([plain, streaming])
        rates = benchmark.files(left, rounds=3, count=2, streams=(1, 8))
    assert [one["streams"] for one in rates["plain"]] == [None]
    one, eight = rates["streaming"]
    assert (one["streams"], eight["streams"]) == (1, 8)
    assert np.median(eight["files_per_second"]) > np.median(one["files_per_second"])


def test_a_median_has_an_interval_around_it():
    found = latency_stats("a", "f", [10, 11, 12, 13, 14, 15, 16, 30])
    assert found.lower_ms < found.median_ms == 13.5 < found.upper_ms
    assert found.p90_ms == pytest.approx(20.2)
    assert latency_stats("a", "f", [10] * 8).lower_ms == 10
