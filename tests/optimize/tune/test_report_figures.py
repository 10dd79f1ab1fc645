"""The report's figures: what they draw is the JSON's, and a null leaves the rest standing."""

import json

import pytest

pytest.importorskip("matplotlib")

from xopt.optimize.tune.report import curves, plots
from xopt.optimize.tune.report.facts import Fact

from .reading import set_at

FIGURES = {
    "gate": lambda facts: plots.trade(facts, "auc_gate"),
    "report": lambda facts: plots.trade(facts, "auc_report"),
    "latencies": plots.latencies,
    "decoding": plots.decoding,
    "forest": curves.forest,
    "roc": lambda facts: curves.roc(facts, "Cardiomegaly", "a-"),
    "precision-recall": lambda facts: curves.precision_recall(facts, "Cardiomegaly", "a-"),
    "reliability": curves.reliability,
}


@pytest.fixture(scope="module")
def drawn(few):
    """The figures of the four variants."""
    return {name: draw(Fact(few)) for name, draw in FIGURES.items()}


@pytest.mark.parametrize(
    ("figure", "place", "value"),
    [
        ("gate", "variants/3/latency_ms/p90", 19.0),
        ("report", "variants/3/auc_report/upper_one_sided", 0.02),
        ("latencies", "variants/3/latency_ms/histogram/counts/0", 99),
        ("decoding", "variants/3/decode_ms/p50", 9.0),
        ("forest", "findings/1/drop_ci/1", 0.07),
        ("roc", "curves/Cardiomegaly/chosen/roc/5/1", 0.99),
        ("precision-recall", "curves/Cardiomegaly/reference/precision_recall/5/1", 0.05),
        ("reliability", "reliability/chosen/bins/2/share_positive", 0.9),
    ],
)
def test_another_number_in_the_json_is_another_figure(few, drawn, figure, place, value):
    assert FIGURES[figure](Fact(set_at(few, place, value))) != drawn[figure]


def test_the_same_json_gives_the_same_figures(few, drawn):
    again = Fact(json.loads(json.dumps(few)))
    for name in ("gate", "latencies", "roc"):
        assert FIGURES[name](again) == drawn[name]


@pytest.mark.parametrize(
    ("figure", "place"),
    [
        ("gate", "variants/*/auc_gate/ci"),
        ("gate", "variants/*/auc_gate/drop"),
        ("gate", "variants/*/latency_ms/p90"),
        ("gate", "objective"),
        ("gate", "reference"),
        ("report", "variants/*/engine"),
        ("report", "variants/*/auc_report/drop_ci"),
        ("report", "variants/*/auc_report/upper_one_sided"),
        ("latencies", "variants/*/latency_ms/p90"),
        ("latencies", "variants/*/latency_ms/histogram"),
        ("decoding", "variants/2/decode_ms"),
        ("forest", "findings/*/drop_ci"),
        ("forest", "findings/*/verdict"),
        ("forest", "findings/*/positives"),
        ("forest", "chosen"),
        ("roc", "curves/Cardiomegaly/chosen"),
        ("reliability", "reliability/chosen"),
        ("reliability", "reliability/reference/bins/3"),
    ],
)
def test_whatever_is_null_the_figures_still_stand(few, drawn, figure, place):
    assert FIGURES[figure](Fact(set_at(few, place, None))) != drawn[figure]
