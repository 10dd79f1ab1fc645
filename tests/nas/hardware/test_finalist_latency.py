"""Latencies held against a table, and those measured before, which are not measured again."""

import numpy as np
import pytest

from xopt.nas.hardware.finalist_latency import Drift, LatencyCache, RealLatency, Stopwatch
from xopt.nas.hardware.graphs import GraphSettings
from xopt.nas.hardware.interleaved_timing import Timings
from xopt.nas.hardware.latency_table import this_machine

from .made import made_table


class Clock:
    """Counts what it is asked to measure."""

    def __init__(self):
        self.asked = []

    def __call__(self, names):
        self.asked += names
        return [RealLatency(measured_ms=1.0, latency_ms=1.1, predicted_ms=None) for _ in names]


@pytest.fixture
def clock(tmp_path):
    clock = Clock()
    LatencyCache(tmp_path / "latency.json", Stopwatch(GraphSettings())).of(["00", "11"], clock)
    assert clock.asked == ["00", "11"]
    return clock


@pytest.mark.parametrize(
    ("settings", "table", "asked"),
    [
        ({}, None, ["22"]),
        ({"threads": 2}, None, ["00", "22"]),
        ({"precision": "INT8"}, None, ["00", "22"]),
        ({}, made_table(), ["00", "22"]),
    ],
)
def test_only_what_is_not_known_of_the_same_setting_is_measured(clock, tmp_path, settings, table, asked):
    clock.asked.clear()
    known = LatencyCache(tmp_path / "latency.json", Stopwatch(GraphSettings(**settings), table))
    assert [latency.latency_ms for latency in known.of(["00", "22"], clock)] == [1.1, 1.1]
    assert clock.asked == asked


def test_what_another_machine_took_says_nothing_of_this_one(clock, tmp_path):
    path = tmp_path / "latency.json"
    path.write_text(path.read_text().replace(this_machine()["cpu"], "another CPU"))
    clock.asked.clear()
    LatencyCache(path, Stopwatch(GraphSettings())).of(["00"], clock)
    assert clock.asked == ["00"]


@pytest.mark.parametrize("content", ["", "[]", '{"00": 1}', '{"00": {"measured_ms": null}}'])
def test_a_damaged_file_is_measured_anew(tmp_path, content):
    path = tmp_path / "latency.json"
    path.write_text(content)
    clock = Clock()
    LatencyCache(path, Stopwatch(GraphSettings())).of(["00"], clock)
    assert clock.asked == ["00"]


def timings(*latency_ms: float) -> Timings:
    return Timings(latency_ms=np.array(latency_ms), repeat_error=0.0, disturbance=0.0)


def test_a_machine_that_is_slower_now_is_set_right_by_the_anchors():
    table = made_table(errors=(0, 0, 0, 0))
    drift = Drift.between(table, timings(9.9, 0.5 * 1.5 + 0.1, 3.0 * 1.5 + 0.1))
    assert drift.then_ms(2.0 * 1.5 + 0.1) == pytest.approx(2.0)


def test_a_machine_that_has_not_changed_changes_nothing():
    drift = Drift.between(made_table(errors=(0, 0, 0, 0)), timings(0.5, 3.0))
    assert drift.then_ms(1.234) == pytest.approx(1.234)


def test_without_a_table_there_is_nothing_to_set_right():
    assert Drift.between(None, timings(1.0)).then_ms(1.234) == 1.234


def test_anchors_that_cannot_be_told_apart_still_give_a_factor():
    drift = Drift.between(made_table(errors=(0, 0, 0, 0)), timings(2.0, 2.0))
    assert drift.then_ms(2.0) == pytest.approx((0.5 * 3.0) ** 0.5)
