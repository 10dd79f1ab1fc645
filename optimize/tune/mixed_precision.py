"""INT8 with its most harmful layers back in floating point, where INT8 alone misses the gate.

Tried for a plan whose FP32 graph passes (else no layer is to blame) and whose INT8 graph is clearly faster
than whatever passed so far (else nothing is gained). Layers are ranked on calibration images, never on those
that gate (optimize.quantize.layer_sensitivity).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .plan import Graph, candidates_of
from .selection import Standing, clearly_slower
from .stages import Stages


@dataclass(frozen=True, kw_only=True)
class Failed:
    """An INT8 graph that missed the gate, and the fastest that runs it."""

    graph: Graph
    standing: Standing


def rescue(stages: Stages) -> None:
    """Return layers to floating point, more and more, until the gate passes; race what passed."""
    for failed in worth_it(stages):
        for count in stages.workshop.settings.layers_back:
            graph = replace(failed.graph, layers_back=count)
            candidates = candidates_of(graph, stages.workshop.settings)
            rows = stages.add(graph, [one for one in candidates if _ran(stages, one.engine)])
            if not any(row.status == "measured" for row in rows):
                break
            if stages.passes(graph.key):
                stages.race_alone(graph, rows)
                break
            for row in rows:
                row.end("stopped", f"{count} layers back do not pass the gate")


def worth_it(stages: Stages) -> Iterator[Failed]:
    """INT8 graphs that missed the gate where returning layers can help and would pay."""
    board = stages.board
    if board.objective.max_auc_drop is None:
        return
    standings = board.standings(choosable=True)
    fastest = min((one for one in standings if one.passes), key=lambda one: one.median_ms, default=None)
    for graph in board.graphs():
        if graph.precision != "INT8" or graph.layers_back:
            continue
        mine = [one for one in standings if one.function == graph.key and one.passes is False]
        if not mine or (fastest is not None and not clearly_slower(fastest, mine[0])):
            continue
        plain = Graph(precision="FP32", crops=graph.crops)
        if stages.passes(plain.key):
            yield Failed(graph=graph, standing=min(mine, key=lambda one: one.median_ms))


def _ran(stages: Stages, engine: str) -> bool:
    """Whether an engine is there at all: some variant of it was measured."""
    return any(row.candidate.engine == engine and row.times is not None for row in stages.board.rows)
