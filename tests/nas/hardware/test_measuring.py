"""A table measured for real, on a space small enough to be exported whole."""

import numpy as np
import pytest

from xopt.nas.hardware.finalist_latency import Stopwatch
from xopt.nas.hardware.graphs import GraphSettings
from xopt.nas.hardware.measuring import TableSettings, measure_table

from ..finals.made import SPACE


@pytest.fixture(scope="module")
def table():
    return measure_table(SPACE, GraphSettings(), TableSettings(networks=8, rounds=30))


@pytest.mark.slow
def test_a_measured_table_tells_small_networks_from_large_ones(table):
    measured = {network.code: network.latency_ms for network in table.networks}
    assert len(measured) == 8
    assert 0.005 < measured["00"] < measured["22"] < 20
    assert table.predict_ms(SPACE.architecture("00"), 16) < table.predict_ms(SPACE.architecture("22"), 16)
    assert set(table.shapes) >= {"3x3 1>8 @16", "1x1 24>32 @4"}
    assert table.repeat_error < 0.2


@pytest.mark.slow
def test_a_measured_table_predicts_its_own_networks(table):
    predicted = [table.predict_ms(network.architecture, network.size) for network in table.networks]
    errors = np.array(predicted) / [network.latency_ms for network in table.networks] - 1
    assert np.median(np.abs(errors)) < 0.1


@pytest.mark.slow
def test_networks_measured_later_are_held_against_the_table(table):
    small, large = Stopwatch(table.settings, table, rounds=20).measure_codes(SPACE, ["00", "22"])
    assert small.latency_ms < large.latency_ms
    assert small.predicted_ms == table.predict_ms(SPACE.architecture("00"), 16)
    # The anchors are these very networks, so their line puts them where the table has them; a third of a
    # millisecond varies that much beside another test. The line itself is tested below, without a clock.
    ends = sorted(network.latency_ms for network in table.networks)
    assert ends[0] / 2 < small.latency_ms < 2 * ends[0]
    assert ends[-1] / 2 < large.latency_ms < 2 * ends[-1]


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
