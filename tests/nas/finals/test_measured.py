"""What was measured is not measured again, and is not taken for something else."""

import pytest

from xopt.nas.finals.measured import MeasuredBefore
from xopt.nas.hardware.graphs import GraphSettings
from xopt.nas.hardware.real import RealLatency, Stopwatch
from xopt.nas.hardware.table import this_machine

from ..hardware.made import made_table


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
    MeasuredBefore(tmp_path / "latency.json", Stopwatch(GraphSettings())).of(["00", "11"], clock)
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
    known = MeasuredBefore(tmp_path / "latency.json", Stopwatch(GraphSettings(**settings), table))
    assert [latency.latency_ms for latency in known.of(["00", "22"], clock)] == [1.1, 1.1]
    assert clock.asked == asked


def test_what_another_machine_took_says_nothing_of_this_one(clock, tmp_path):
    path = tmp_path / "latency.json"
    path.write_text(path.read_text().replace(this_machine()["cpu"], "another CPU"))
    clock.asked.clear()
    MeasuredBefore(path, Stopwatch(GraphSettings())).of(["00"], clock)
    assert clock.asked == ["00"]


@pytest.mark.parametrize("content", ["", "[]", '{"00": 1}', '{"00": {"measured_ms": null}}'])
def test_a_damaged_file_is_measured_anew(tmp_path, content):
    path = tmp_path / "latency.json"
    path.write_text(content)
    clock = Clock()
    MeasuredBefore(path, Stopwatch(GraphSettings())).of(["00"], clock)
    assert clock.asked == ["00"]
