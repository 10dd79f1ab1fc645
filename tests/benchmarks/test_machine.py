import os

import pytest

from xopt.benchmarks.machine import PEAK_SIDE, PeakProbe, machine_facts
from xopt.benchmarks.measurement import measure_peak


def test_the_facts_name_what_decides_about_speed():
    facts = machine_facts()
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert set(facts) >= {"cpu", "features", "libraries", "system", "python", "load_average"}
    assert "numpy" in facts["libraries"]


def test_the_peak_is_that_of_the_fastest_product(monkeypatch):
    # Three products of 3, 1 and 2 s; the clock is read before each, at its start and at its end.
    clock = iter([0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 6.0, 6.0])
    monkeypatch.setattr("xopt.benchmarks.machine.perf_counter", lambda: next(clock))
    assert PeakProbe().measure(6.0) == pytest.approx(PEAK_SIDE**3 / 1e9)


@pytest.mark.parametrize("threads", [None, 1])
def test_the_peak_is_measured_in_a_process_of_its_own(threads):
    assert measure_peak(threads) > 0.1
