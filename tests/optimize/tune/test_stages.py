"""When layers are returned to floating point."""

from types import SimpleNamespace

import pytest

from xopt.optimize.tune.search_space import Candidate, Graph
from xopt.optimize.tune.selection import Objective, VariantStats
from xopt.optimize.tune.stages import mixed_precision_graphs

FP32 = Candidate(graph=Graph(precision="FP32", crops="ten"), engine="openvino")
INT8 = Candidate(graph=Graph(precision="INT8", crops="ten", preset="mixed"), engine="openvino")


class Measured:
    """A tuning whose figures are given."""

    def __init__(self, fp32, int8, *, gated=True):
        self.objective = Objective(kind="fastest", max_auc_drop=0.01)
        if not gated:
            self.objective = Objective(kind="best-auc", max_auc_drop=None, max_latency_ms=9)
        self.verdicts = {FP32.graph.key: fp32[1], INT8.graph.key: int8[1]}
        self.gated = []
        stats = [
            VariantStats(
                name=candidate.name,
                function=candidate.graph.key,
                median_ms=ms,
                lower_ms=ms - 1,
                upper_ms=ms + 1,
                p90_ms=ms + 1,
                auc=0.7,
                passes=passes,
            )
            for candidate, (ms, passes) in ((FP32, fp32), (INT8, int8))
        ]
        self.table = SimpleNamespace(graphs=lambda: [FP32.graph, INT8.graph], stats=lambda choosable: stats)

    def graphs(self):
        return list(mixed_precision_graphs(self.table, self.objective, self.passes))

    def passes(self, function):
        self.gated.append(function)
        return self.verdicts[function]


@pytest.mark.parametrize(
    ("fp32", "int8", "worth"),
    [
        ((20, True), (10, False), True),
        # FP32 misses the gate, too: no layer in 8 bits is to blame.
        ((20, False), (10, False), False),
        # INT8 passes as it is.
        ((20, True), (10, True), False),
        # It is not faster, so nothing is gained.
        ((10, True), (20, False), False),
        ((10, True), (11, False), False),
    ],
)
def test_layers_go_back_where_they_are_to_blame_and_speed_is_gained(fp32, int8, worth):
    assert Measured(fp32, int8).graphs() == ([INT8.graph] if worth else [])


def test_no_layers_go_back_where_no_drop_is_asked_for():
    measured = Measured((20, True), (10, False), gated=False)
    assert measured.graphs() == []
    assert measured.gated == []
