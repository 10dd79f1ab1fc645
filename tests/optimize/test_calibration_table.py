"""The table of what each choice of calibration does."""

import json

import numpy as np
import pytest
import typer

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.optimize import calibration_table
from xopt.optimize.calibration_table import CHOICES, Row, describe, logits
from xopt.optimize.quantize import QuantizeSettings

TWO = {"defaults": {}, "farthest points": {"sampling": "farthest", "bias_correction": "none"}}


def row(**changes) -> Row:
    facts = {
        "name": "defaults",
        "settings": QuantizeSettings().to_json(),
        "images": 300,
        "radius": 12.34,
        "range_covered": 0.98,
        "seconds": 50.0,
        "cpu_seconds": 61.2,
        "logit_rms": 0.0934,
        "logit_max": 0.712,
        "auc_drop": -0.0004,
        "auc_drop_ci": (-0.0052, 0.0031),
    }
    return Row(**{**facts, **changes})


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.5, 0), (0.25, -np.log(3)), (1, 16), (0, -16), (1e-12, -16), (0.75, np.log(3))],
)
def test_logits_are_held_where_probabilities_have_no_digits_left(probability, expected):
    assert logits(np.array([[probability]], dtype=np.float32)) == pytest.approx(expected)


def test_a_row_shows_its_figures():
    lines = describe([row(), row(name="smoothed")]).splitlines()
    assert len(lines) == len(describe([row()]).splitlines()) + 1
    cells = lines[-2].split()
    assert cells[:4] == ["defaults", "300", "12.3", "98%"]
    assert cells[4:] == ["61", "0.093", "0.71", "-0.0004", "-0.0052", "to", "+0.0031"]


def test_every_choice_is_one_that_can_be_made_and_differs_from_the_others():
    made = [json.dumps(QuantizeSettings(**changes).to_json()) for changes in CHOICES.values()]
    # Where the table is made with 300 images, as by default, the two rows of 300 are two others.
    assert len(set(made)) == len(made) - 2


def test_finished_rows_are_kept_and_not_measured_again(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration_table, "CHOICES", TWO)
    kept = tmp_path / "rows.jsonl"

    def run(calibration_size: int, only: tuple[str, ...] = ()) -> dict:
        calibration_table.main(
            bundle=small.bundle,
            data=small.data,
            split="val",
            images=10,
            calibration_size=calibration_size,
            candidates=40,
            only=list(only),
            kept=kept,
            as_json=True,
        )
        return json.loads(capsys.readouterr().out)

    first = run(4)
    assert (first["images"], first["candidates"]) == (10, 40)
    defaults, farthest = first["rows"]
    assert (defaults["name"], farthest["name"]) == tuple(TWO)
    assert (defaults["images"], farthest["images"]) == (4, 4)
    assert farthest["radius"] < defaults["radius"]
    assert 0 < defaults["range_covered"] <= 1
    assert 0 < defaults["logit_rms"] < defaults["logit_max"]
    # The seconds of a second measurement would be others.
    assert run(4) == first
    assert len(kept.read_text().splitlines()) == 2
    assert run(4, tuple(TWO)[:1])["rows"] == first["rows"][:1]
    assert run(3)["rows"][0]["images"] == 3
    assert len(kept.read_text().splitlines()) == 4


def test_a_row_that_there_is_not_is_named_before_anything_is_measured(small):
    with pytest.raises(typer.BadParameter, match="there is no row 'more images'; rows are defaults"):
        calibration_table.main(bundle=small.bundle, data=small.data, only=["more images"])
