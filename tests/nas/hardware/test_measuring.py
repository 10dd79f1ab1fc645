"""A table measured for real, on a space small enough to be exported whole."""

import pytest

from xopt.nas.hardware.finalist_latency import Stopwatch
from xopt.nas.hardware.graphs import GraphSettings
from xopt.nas.hardware.measuring import TableSettings, measure_table

from ..finals.made import SPACE


@pytest.fixture(scope="module")
def table():
    return measure_table(SPACE, GraphSettings(), TableSettings(networks=8, rounds=30))


@pytest.mark.slow
def test_a_measured_table_has_its_networks_and_their_blocks(table):
    measured = {network.code: network.latency_ms for network in table.networks}
    assert len(measured) == 8
    assert {"00", "22"} <= set(measured)
    assert min(measured.values()) > 0
    assert set(table.shapes) >= {"3x3 1>8 @16", "1x1 24>32 @4"}


@pytest.mark.slow
def test_networks_measured_later_are_held_against_the_table(table):
    latencies = Stopwatch(table.settings, table, rounds=20).measure_codes(SPACE, ["00", "22"])
    for code, latency in zip(["00", "22"], latencies, strict=True):
        assert latency.predicted_ms == table.predict_ms(SPACE.architecture(code), 16)
        assert latency.latency_ms > 0


@pytest.mark.parametrize(
    ("settings", "said"), [({"networks": 7}, "at least 8 networks"), ({"rounds": 1}, "at least 2")]
)
def test_a_table_needs_enough_to_go_by(settings, said):
    with pytest.raises(ValueError, match=said):
        TableSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"precision": "INT4"}, "one of FP32, INT8"), ({"threads": 0}, "threads"), ({"classes": 0}, "classes")],
)
def test_graphs_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        GraphSettings(**settings)


def test_the_command_refuses_what_is_there_before_it_measures(xopt, tmp_path):
    path = tmp_path / "table.json"
    path.write_text("kept")
    done = xopt("nas", "latency", "--out", path)
    assert (done.code, path.read_text()) == (1, "kept")
    assert "exists already" in done.err
    assert xopt("nas", "latency", "--out", tmp_path / "new.json", "--space", "none").code == 2
