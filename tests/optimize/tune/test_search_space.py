"""The variants that are tried, and why others are left out."""

import pytest

from xopt.optimize.tune.search_space import Candidate, Capabilities, Graph, list_candidates
from xopt.optimize.tune.settings import TuneSettings
from xopt.runtime import UsageError

ALL = ("center", "five", "ten", "five-shared", "ten-shared")


def capabilities(**changes):
    facts = {"crops": ALL, "source": "run", "bfloat16": True, "onnxruntime": True, "train_split": True}
    return Capabilities(**{**facts, **changes})


def named(settings=None, **changes):
    found = list_candidates(settings or TuneSettings(), capabilities(**changes))
    return {candidate.name: why for candidate, why in found}


def test_all_precisions_plans_and_engines_are_crossed():
    found = named()
    # FP32 and two presets on two engines, BF16 on OpenVINO alone, in five plans.
    assert len(found) == 5 * (3 * 2 + 1)
    assert set(found.values()) == {None}
    assert {"OpenVINO FP32 ten", "ONNX Runtime INT8 mixed five", "OpenVINO BF16 center"} <= set(found)
    assert "ONNX Runtime BF16 ten" not in found


def test_threads_multiply_and_are_named():
    found = named(TuneSettings(threads=(1, 2), crops=("ten",), presets=()))
    assert {"OpenVINO FP32 ten, 1 thread", "ONNX Runtime FP32 ten, 2 threads"} <= set(found)
    assert len(found) == 2 * 3


@pytest.mark.parametrize(
    ("changes", "left_out", "word"),
    [
        ({"bfloat16": False}, lambda name: "BF16" in name, "does not compute in BF16"),
        ({"onnxruntime": False}, lambda name: name.startswith("ONNX"), "pip install"),
        ({"train_split": False}, lambda name: "INT8" in name, "no train split"),
        ({"crops": ("ten",)}, lambda name: not name.endswith(" ten"), "other plans need the checkpoint"),
    ],
)
def test_what_cannot_be_tried_is_left_out_with_the_reason(changes, left_out, word):
    for name, why in named(**changes).items():
        assert (why is not None and word in why) is left_out(name), name


def test_exact_plans_share_a_network_and_the_shared_plans_another():
    families = {plan: Graph(precision="INT8", crops=plan, preset="mixed").family for plan in ALL}
    assert families["center"] == families["five"] == families["ten"] != families["ten-shared"]
    assert families["five-shared"] == families["ten-shared"]


def test_names_tell_every_graph_apart():
    graphs = [
        Graph(precision="FP32", crops="ten"),
        Graph(precision="BF16", crops="ten"),
        Graph(precision="INT8", crops="ten", preset="performance"),
        Graph(precision="INT8", crops="ten", preset="mixed"),
        Graph(precision="INT8", crops="ten", preset="mixed", layers_back=4),
        Graph(precision="INT8", crops="ten-shared", preset="mixed", layers_back=4),
    ]
    assert len({graph.key for graph in graphs}) == len({graph.title for graph in graphs}) == len(graphs)
    assert Candidate(graph=graphs[4], engine="openvino").name == "OpenVINO INT8 mixed 4 back ten"


@pytest.mark.parametrize(
    "wrong",
    [
        {"crops": ("nine",)},
        {"crops": ("ten", "ten")},
        {"engines": ()},
        {"threads": (0,)},
        {"streams": (1, 0)},
        {"streams": ()},
        {"streams": (2, 2)},
        {"layers_back": (4, 2)},
        {"rounds": 3},
        {"gate_split": "test"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        TuneSettings(**wrong)


@pytest.mark.parametrize(
    ("given", "kind", "drop"),
    [
        ({}, "fastest", 0.01),
        ({"max_auc_drop": 0.02}, "fastest", 0.02),
        ({"max_latency_ms": 50}, "best-auc", None),
        ({"max_latency_ms": 50, "max_auc_drop": 0.02}, "best-auc", 0.02),
    ],
)
def test_what_is_looked_for_follows_from_what_is_asked_for(given, kind, drop):
    objective = TuneSettings(**given).objective
    assert (objective.kind, objective.max_auc_drop) == (kind, drop)
