import os

import numpy as np
import pytest

from xopt.benchmarks.machine import PEAK_SIDE, PeakProbe, machine_facts
from xopt.benchmarks.measurement import measure_peak


def test_the_facts_name_what_decides_about_speed():
    facts = machine_facts()
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert set(facts) >= {"cpu", "features", "libraries", "system", "python", "load_average"}
    assert "numpy" in facts["libraries"]


def test_the_peak_is_no_less_than_one_product_reaches():
    from time import perf_counter

    left = np.ones((PEAK_SIDE, PEAK_SIDE), dtype=np.float32)
    start = perf_counter()
    _ = left @ left
    once = PEAK_SIDE**3 / (perf_counter() - start) / 1e9
    # Half, since other work on the machine may come and go between the two.
    assert PeakProbe().measure(0.5) > once / 2


@pytest.mark.parametrize("threads", [None, 1])
def test_the_peak_is_measured_in_a_process_of_its_own(threads):
    assert measure_peak(threads) > 0.1
