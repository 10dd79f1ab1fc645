"""Latencies out of a busy machine."""

import time

import numpy as np
import pytest

from xopt.nas.hardware.interleaved_timing import polish, summarise, time_networks


class Busy:
    """Answers after so much work on the CPU."""

    input_shape = (1, 8, 8)

    def __init__(self, work_ms: float) -> None:
        self.work_ms = work_ms

    def infer(self, image_HW):
        assert image_HW.shape == (8, 8)
        until = time.process_time_ns() + self.work_ms * 1e6
        while time.process_time_ns() < until:
            pass
        return np.zeros(1, dtype=np.float32)


def test_a_table_of_sums_is_taken_apart_exactly():
    rows, columns = np.array([1.0, 2.0, 5.0]), np.array([0.0, 0.3, -0.2, 0.1])
    found_rows, found_columns = polish(rows[:, np.newaxis] + columns)
    assert found_rows[:, np.newaxis] + found_columns == pytest.approx(rows[:, np.newaxis] + columns)


def test_rounds_in_which_the_machine_was_slow_change_no_ratio():
    quiet = np.array([0.5, 1.0, 4.0])
    slow = np.repeat([1.0, 1.7, 1.2, 3.0, 1.0], 10)
    timings = summarise(quiet[:, np.newaxis] * slow)
    assert timings.latency_ms == pytest.approx(quiet)
    assert timings.disturbance == pytest.approx(0.2)
    assert timings.repeat_error == pytest.approx(0, abs=1e-9)


def test_a_burst_that_was_disturbed_alone_counts_for_nothing():
    times = np.ones((4, 40))
    times[2, ::7] = 50
    assert summarise(times).latency_ms == pytest.approx(np.ones(4))


def test_noise_shows_as_repeat_error():
    noise = np.exp(np.random.default_rng(0).normal(0, 0.2, (20, 30)))
    assert 0.01 < summarise(noise).repeat_error < 0.2


def test_cpu_time_is_told_apart_on_a_machine_with_other_work():
    timings = time_networks([Busy(0.5), Busy(2.0)], rounds=6, threads=1)
    assert timings.latency_ms[1] / timings.latency_ms[0] == pytest.approx(4, rel=0.2)


def test_more_threads_are_timed_by_the_wall():
    class Asleep(Busy):
        def infer(self, image_HW):
            time.sleep(self.work_ms / 1e3)
            return np.zeros(1, dtype=np.float32)

    assert time_networks([Asleep(2.0)], rounds=2, threads=2).latency_ms[0] >= 2.0
    assert time_networks([Asleep(2.0)], rounds=2, threads=1).latency_ms[0] < 1.0


def test_one_round_is_too_few():
    with pytest.raises(ValueError, match="at least 2"):
        time_networks([], rounds=1, threads=1)
