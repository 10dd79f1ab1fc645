"""A tuning as JSON: the one source of every number in its report."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmarks.latency import percentiles, speedup
from ...benchmarks.measurement import evenly, measure_peak
from ..quantize.calibration import TRAIN
from .candidates import Row, facts_of
from .evidence import curve_facts, finding_facts, operating_thresholds, reliability_facts
from .heatmaps import heatmap_facts
from .latency_race import LEAST
from .roles import role_facts
from .stages import Stages

SCHEMA = 1
BARS = 24
"""Of a latency histogram."""
_ABSENT = ("failed", "left_out")
METHOD = (
    "Speed: a process for each variant, images one at a time and interleaved in balanced orders, each "
    "variant after the one before it has gone idle. Latency is from the decoded, resized image to the "
    "probabilities.",
    "Stopping: a variant is clearly slower than another where the 95 % intervals of their median latencies "
    "do not touch, after {least} images or more. What is clearly slower than another engine with the same "
    "graph is stopped at once, since both give the same answers. What is clearly slower than a variant that "
    "passed the gate cannot be the fastest, so its AUC is not measured.",
    "AUC: the mean over findings, answered once for each graph, on OpenVINO; engines agree as "
    "`parity_max_abs` says. Drops are against {reference}; intervals are from {resamples} resamples of "
    "patients, one-sided 95 % bounds from DeLong's variance over patients and Student's t.",
    "Roles: images of {calibrate} calibrate, those of {gate} decide, those of {report} are the claim. The "
    "best of many on one split looks better than it is, so the choice is made on {gate} alone, and what was "
    "chosen is scored once on {report}: only that figure is to be quoted.",
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a tuning has found."""

    stages: Stages
    machine: dict[str, Any]
    chosen: str | None
    """The variant that is written, whether the objective was met or not."""
    front: frozenset[str]
    """Variants on the Pareto front."""
    met: bool
    reason: str
    looks: tuple[str, ...] = ()
    """Objectives that were held against the report split in this work folder, this one included."""


def to_json(found: Found) -> dict[str, Any]:
    """All facts as plain JSON values; what does not exist is null."""
    stages = found.stages
    workshop, board, folder = stages.workshop, stages.board, stages.folder
    source, settings, objective = workshop.source, workshop.settings, board.objective
    with folder.phase("heatmaps"):
        heatmaps = heatmap_facts(stages, found.chosen)
    reference = stages.bundle_of(board.function)
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "command": "tune",
        "objective": {
            "kind": objective.kind,
            "max_auc_drop": objective.max_auc_drop,
            "max_class_auc_drop": objective.max_class_auc_drop,
            "max_latency_ms": objective.max_latency_ms,
            "outcome": "met" if found.met else "not_met",
            "reason": found.reason,
        },
        "chosen": found.chosen if found.met else None,
        "candidate": found.chosen,
        "reference": board.reference.name,
        "auc_reference": board.function,
        "intended_use": reference.manifest.intended_use,
        "source": {"name": source.name, "sha256": source.digest},
        "machine": _machine(found.machine, settings.threads[0]),
        "data": {"name": workshop.dataset.name, "classes": list(source.classes)},
        "roles": _roles(found),
        "method": _method(found),
        "settings": {
            **settings.to_json(),
            "threads": settings.threads[0],
            "threads_tried": list(settings.threads),
            "streams": [count for count in settings.streams if count is not None],
        },
        "variants": [_variant(found, row) for row in board.rows],
        **_evidence(found),
        "heatmaps": heatmaps,
        "versions": found.machine["libraries"],
        "seconds": folder.seconds,
        "resumed": folder.resumed,
    }
    return facts


def _machine(machine: dict[str, Any], threads: int | None) -> dict[str, Any]:
    advice = list(machine["advice"])
    if machine["load_average"] > machine["cores"] / 2:
        advice.append(
            f"The machine was busy with other work (load average {machine['load_average']:g} on "
            f"{machine['cores']} cores): latencies are longer than on an idle one, ratios are fair."
        )
    held = os.environ.get("OMP_NUM_THREADS")
    if held and threads is None:
        advice.append(
            f"OMP_NUM_THREADS={held} is set, which holds PyTorch to so many threads and OpenVINO not: "
            "unset it, or give --threads."
        )
    return {**machine, "advice": advice, "fp32_peak_gmacs_per_s": measure_peak(threads)}


def _roles(found: Found) -> dict[str, Any]:
    stages = found.stages
    classes = stages.workshop.source.classes
    facts = {
        "gate": role_facts(stages.roles.gate, classes),
        "report": role_facts(stages.roles.report, classes),
    }
    if not any(row.candidate.graph.precision == "INT8" and row.status != "left_out" for row in _rows(found)):
        return {"calibrate": None, **facts}
    return {"calibrate": role_facts(stages.workshop.calibration.images, classes), **facts}


def _method(found: Found) -> list[str]:
    stages = found.stages
    settings = stages.workshop.settings
    values = {
        "least": LEAST,
        "reference": stages.board.function,
        "resamples": settings.resamples,
        "calibrate": TRAIN,
        "gate": stages.roles.gate.name,
        "report": stages.roles.report.name,
    }
    sentences = [sentence.format(**values) for sentence in METHOD]
    if len(found.looks) > 1:
        sentences.append(
            f"{len(found.looks)} objectives were held against {values['report']} with these variants "
            f"({'; '.join(found.looks)}): the more there are, the more one of them is met by chance."
        )
    return sentences


def _rows(found: Found) -> list[Row]:
    return found.stages.board.rows


def _evidence(found: Found) -> dict[str, Any]:
    """Reference against chosen on the report split."""
    stages, classes = found.stages, found.stages.workshop.source.classes
    board, split = stages.board, stages.roles.report
    function = board.function if found.chosen is None else board.row(found.chosen).function
    if function not in board.report:
        return {"findings": [], "curves": {}, "reliability": None}
    before, after = board.report[board.function], board.report[function]
    pair = (before.answers_NC, after.answers_NC)
    thresholds = operating_thresholds(classes, stages.roles.gate, board.gate[board.function].answers_NC)
    intervals = (before.intervals, after.intervals)
    return {
        "findings": finding_facts(after.result.findings, split, pair, intervals, thresholds),
        "curves": curve_facts(classes, split, pair),
        "reliability": reliability_facts(split, pair),
    }


def _variant(found: Found, row: Row) -> dict[str, Any]:
    board, graph = found.stages.board, row.candidate.graph
    gated = board.objective.max_auc_drop is not None
    gate, report = board.gate.get(row.function), board.report.get(row.function)
    shown = row.name in found.front or row.name in (found.chosen, board.reference.name)
    return {
        "name": row.name,
        "engine": row.candidate.engine,
        "precision": graph.precision,
        "crops": graph.crops,
        "preset": graph.preset,
        "floating_point_layers": list(row.kept_float),
        "threads": row.candidate.threads,
        "graph": graph.key,
        "status": row.status,
        "why": row.why,
        "auc_gate": None if gate is None or row.status in _ABSENT else facts_of(gate, gated=gated),
        "auc_report": None if report is None or not shown else facts_of(report, gated=gated),
        **_speed(found, row),
        "size_mb": None if row.times is None else row.times.size_mb,
        "macs": row.macs,
        "parity_max_abs": _parity(found, row),
        "pareto": row.name in found.front,
    }


def _speed(found: Found, row: Row) -> dict[str, Any]:
    reference, decode = found.stages.board.reference.times, _decode(found)
    if row.times is None or not row.times.latency_ms or reference is None:
        keys = ("latency_ms", "decode_ms", "speedup", "speedup_ci", "images_per_second")
        return {**dict.fromkeys(keys), "end_to_end_images_per_second": None, "streams": []}
    values = np.array(row.times.latency_ms)
    shares = percentiles(values)
    # A variant that dropped out has run on the first images only; the reference is compared on the same.
    same = np.array(reference.latency_ms[: len(values)])
    ratio = (
        speedup(same, values, resamples=found.stages.workshop.settings.resamples)
        if len(same) == len(values)
        else None
    )
    streams = [_stream(way) for way in row.files or ()]
    return {
        "latency_ms": {
            **shares.to_json(),
            "mean": float(values.mean()),
            "images": len(values),
            "histogram": _histogram(values),
        },
        "decode_ms": decode,
        "speedup": None if ratio is None else ratio.ratio,
        "speedup_ci": None if ratio is None else ratio.interval.to_json(),
        "images_per_second": 1e3 / shares.p50,
        "end_to_end_images_per_second": max((one["files_per_second"] for one in streams), default=None),
        # Without --streams each engine has one way, which is the figure above.
        "streams": [one for one in streams if one["streams"] is not None],
    }


def _stream(found: dict[str, Any]) -> dict[str, Any]:
    rates = found["files_per_second"]
    return {
        "streams": found["streams"],
        "files_per_second": float(np.median(rates)),
        "range": [min(rates), max(rates)],
    }


def _decode(found: Found) -> dict[str, float] | None:
    kept = found.stages.folder.get("final race") or found.stages.folder.get("first race")
    if not kept or not kept["decode_ms"]:
        return None
    p50, p90 = np.percentile(kept["decode_ms"], [50, 90])
    return {"p50": float(p50), "p90": float(p90)}


def _histogram(values: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, bins=min(BARS, max(4, len(values) // 2)))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _parity(found: Found, row: Row) -> float | None:
    """Largest difference of a probability from the graph on OpenVINO, on the images that were raced."""
    scored = found.stages.board.gate.get(row.function)
    if row.times is None or not row.times.answers or scored is None:
        return None
    split, answers = found.stages.roles.gate, np.array(row.times.answers)
    rounds = found.stages.rounds(row)
    images = evenly(len(split), rounds)[: len(answers)]
    return float(np.abs(answers - scored.answers_NC[images]).max())
