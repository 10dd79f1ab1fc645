"""Latency tables: kept, refused, judged."""

import json

import numpy as np
import pytest

from xopt.nas.hardware.latency_table import load_table, save_table
from xopt.nas.macro import MacroSpace
from xopt.nas.xray import XraySpace
from xopt.runtime.errors import DataError, OutputError, UsageError

from .made import made_table


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "table.json"
    save_table(made_table(), path)
    return path


def test_a_table_reads_back_as_it_was_written(saved):
    assert load_table(saved) == made_table()


@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        ("cpu", "Another CPU", "cpu Another CPU, here "),
        ("cores", 4096, "cores 4096, here "),
        ("features", ["neon"], "features neon, here "),
        ("openvino", "1999.1", "openvino 1999.1, here "),
    ],
)
def test_a_table_of_another_machine_is_refused_by_name(saved, fact, value, said):
    facts = json.loads(saved.read_text())
    facts["machine"][fact] = value
    saved.write_text(json.dumps(facts))
    with pytest.raises(DataError, match=said) as refused:
        load_table(saved)
    assert "xopt nas latency" in str(refused.value)
    assert load_table(saved, any_machine=True).machine[fact] == value


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "null", '{"schema": 2}', '{"schema": 1, "space": "macro"}', "\x00"]
)
def test_what_is_no_table_is_refused_in_one_line(saved, content):
    saved.write_text(content)
    with pytest.raises(DataError, match="no latency table"):
        load_table(saved)


def test_a_missing_table_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="measure one here: xopt nas latency"):
        load_table(tmp_path / "none.json")


def test_a_table_is_not_overwritten(saved):
    with pytest.raises(OutputError, match="exists already"):
        save_table(made_table(), saved)
    save_table(made_table(), saved, force=True)


def test_errors_are_of_held_out_predictions():
    table = made_table(errors=(0.04, -0.02, 0.06, 0.0))
    assert table.median_error == pytest.approx(0.03)
    assert table.p90_error == pytest.approx(np.percentile([0.04, 0.02, 0.06, 0.0], 90))
    assert table.margin == pytest.approx(np.percentile([0.04, -0.02, 0.06, 0.0], 90))


def test_a_table_that_always_predicts_too_much_needs_no_margin():
    assert made_table(errors=(-0.1, -0.2, -0.1, -0.1)).margin == 0


def test_a_larger_network_is_predicted_to_take_longer():
    table = made_table()
    times = [table.predict_ms(f"macro-{c}", 32) for c in ("00000000", "10000000", "11111111", "22222222")]
    assert times == sorted(times)
    assert table.predict_ms("macro-11111111", 64) > table.predict_ms("macro-11111111", 32)


def test_a_table_says_what_it_is_worth():
    said = made_table().to_text()
    assert "4 FP32 networks of space macro at 32 pixels" in said
    assert "median error 1.5%" in said
    assert "CPU time" in said


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (MacroSpace(channels=1, size=64), "macro at 32 pixels, the search of macro at 64.*--size 64"),
        (XraySpace(channels=1), "macro at 32 pixels, the search of xray at 160.*--space xray$"),
    ],
)
def test_a_table_is_for_networks_like_those_it_was_measured_on(space, said):
    made_table().check_space(MacroSpace(channels=1, size=32))
    with pytest.raises(UsageError, match=said):
        made_table().check_space(space)
