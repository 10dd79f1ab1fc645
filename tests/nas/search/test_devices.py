import os

import pytest

from xopt.nas.search import devices
from xopt.nas.search.devices import share_devices


@pytest.mark.parametrize(
    ("cores", "workers", "count", "threads"),
    [(8, 2, 2, "4"), (8, None, 2, "4"), (2, None, 1, "2"), (2, 5, 5, "1")],
)
def test_cores_are_shared_out_evenly(monkeypatch, cores, workers, count, threads):
    monkeypatch.setattr(devices, "_gpus", lambda: ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    found = share_devices(workers)
    assert len(found) == count
    assert {device.environment["OMP_NUM_THREADS"] for device in found} == {threads}


def test_workers_take_gpus_in_turn_by_the_names_this_process_knows(monkeypatch):
    monkeypatch.setattr(devices, "_gpus", lambda: ("2", "5"))
    assert [device.environment["CUDA_VISIBLE_DEVICES"] for device in share_devices(3)] == ["2", "5", "2"]
    assert [device.name for device in share_devices()] == ["gpu 2", "gpu 5"]


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    monkeypatch.setattr(devices, "_DRIVERS", ("/nowhere",))
    assert devices._gpus() == ()
