"""A tuning as JSON: the one source of every number in its report."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmarks.latency import percentiles, speedup
from ...benchmarks.measurement import evenly, measure_peak
from ..quantize.calibration import TRAIN
from .evidence import class_facts, curve_facts, heatmap_facts, operating_thresholds, reliability_facts
from .latency import MIN_ROUNDS
from .splits import role_facts
from .stages import FINAL, SCREENING, Stages
from .variants import Row

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
class Outcome:
    """The outcome of a tuning, with the stages that led to it."""

    stages: Stages
    machine: dict[str, Any]
    chosen: str | None
    """The variant that is written, whether the objective was met or not."""
    front: frozenset[str]
    """Variants on the Pareto front."""
    met: bool
    reason: str
    objectives: tuple[str, ...] = ()
    """Objectives that were evaluated on the report split in this work folder, this one included."""


def to_json(outcome: Outcome) -> dict[str, Any]:
    """All facts as plain JSON values; what does not exist is null."""
    stages = outcome.stages
    bundles, table, folder = stages.bundles, stages.table, stages.folder
    source, settings = bundles.source, bundles.settings
    objective = settings.objective
    with folder.phase("heatmaps"):
        heatmaps = heatmap_facts(stages, outcome.chosen)
    reference = stages.bundle_of(table.reference.function)
    return {
        "schema": SCHEMA,
        "command": "tune",
        "objective": {
            "kind": objective.kind,
            "max_auc_drop": objective.max_auc_drop,
            "max_class_auc_drop": objective.max_class_auc_drop,
            "max_latency_ms": objective.max_latency_ms,
            "outcome": "met" if outcome.met else "not_met",
            "reason": outcome.reason,
        },
        "chosen": outcome.chosen if outcome.met else None,
        "candidate": outcome.chosen,
        "reference": table.reference.name,
        "auc_reference": table.reference.function,
        "intended_use": reference.manifest.intended_use,
        "source": {"name": source.name, "sha256": source.digest},
        "machine": _machine(outcome.machine, settings.threads[0]),
        "data": {"name": bundles.dataset.name, "classes": list(source.classes)},
        "roles": _roles(outcome),
        "method": _method(outcome),
        "settings": {
            **settings.to_json(),
            "threads": settings.threads[0],
            "threads_tried": list(settings.threads),
            "streams": [count for count in settings.streams if count is not None],
        },
        "variants": [_variant(outcome, row) for row in table.rows],
        **_evidence(outcome),
        "heatmaps": heatmaps,
        "versions": outcome.machine["libraries"],
        "seconds": folder.seconds,
        "resumed": folder.resumed,
    }


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


def _roles(outcome: Outcome) -> dict[str, Any]:
    stages = outcome.stages
    classes = stages.bundles.source.classes
    facts = {
        "gate": role_facts(stages.bundles.splits.gate, classes),
        "report": role_facts(stages.bundles.splits.report, classes),
    }
    if not any(
        row.candidate.graph.precision == "INT8" and row.status != "left_out" for row in stages.table.rows
    ):
        return {"calibrate": None, **facts}
    return {"calibrate": role_facts(stages.bundles.calibration.images, classes), **facts}


def _method(outcome: Outcome) -> list[str]:
    stages = outcome.stages
    settings = stages.bundles.settings
    values = {
        "least": MIN_ROUNDS,
        "reference": stages.table.reference.function,
        "resamples": settings.resamples,
        "calibrate": TRAIN,
        "gate": stages.bundles.splits.gate.name,
        "report": stages.bundles.splits.report.name,
    }
    sentences = [sentence.format(**values) for sentence in METHOD]
    if len(outcome.objectives) > 1:
        sentences.append(
            f"{len(outcome.objectives)} objectives were held against {values['report']} with these variants "
            f"({'; '.join(outcome.objectives)}): the more there are, the more one of them is met by chance."
        )
    return sentences


def _evidence(outcome: Outcome) -> dict[str, Any]:
    """Reference against chosen on the report split."""
    stages, classes = outcome.stages, outcome.stages.bundles.source.classes
    table, split = stages.table, stages.bundles.splits.report
    reference = table.reference.function
    function = reference if outcome.chosen is None else table.row(outcome.chosen).function
    if function not in table.report:
        return {"findings": [], "curves": {}, "reliability": None}
    before, after = table.report[reference], table.report[function]
    pair = (before.answers_NC, after.answers_NC)
    thresholds = operating_thresholds(
        classes, stages.bundles.splits.gate, table.gate[table.reference.function].answers_NC
    )
    intervals = (before.intervals, after.intervals)
    return {
        "findings": class_facts(after.result.findings, split, pair, intervals, thresholds),
        "curves": curve_facts(classes, split, pair),
        "reliability": reliability_facts(split, pair),
    }


def _variant(outcome: Outcome, row: Row) -> dict[str, Any]:
    table, graph = outcome.stages.table, row.candidate.graph
    gated = outcome.stages.bundles.settings.objective.max_auc_drop is not None
    gate, report = table.gate.get(row.function), table.report.get(row.function)
    shown = row.name in outcome.front or row.name in (outcome.chosen, table.reference.name)
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
        "auc_gate": None if gate is None or row.status in _ABSENT else gate.to_json(gated=gated),
        "auc_report": None if report is None or not shown else report.to_json(gated=gated),
        **_speed(outcome, row),
        "size_mb": None if row.times is None else row.times.size_mb,
        "macs": row.macs,
        "parity_max_abs": _parity(outcome, row),
        "pareto": row.name in outcome.front,
    }


def _speed(outcome: Outcome, row: Row) -> dict[str, Any]:
    reference, decode = outcome.stages.table.reference.times, _decode(outcome)
    if row.times is None or not row.times.latency_ms or reference is None:
        keys = ("latency_ms", "decode_ms", "speedup", "speedup_ci", "images_per_second")
        return {**dict.fromkeys(keys), "end_to_end_images_per_second": None, "streams": []}
    values = np.array(row.times.latency_ms)
    shares = percentiles(values)
    # A variant that dropped out has run on the first images only; the reference is compared on the same.
    same = np.array(reference.latency_ms[: len(values)])
    ratio = (
        speedup(same, values, resamples=outcome.stages.bundles.settings.resamples)
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
        "end_to_end_images_per_second": max((way["files_per_second"] for way in streams), default=None),
        # Without --streams each engine has one way, which is the figure above.
        "streams": [way for way in streams if way["streams"] is not None],
    }


def _stream(way: dict[str, Any]) -> dict[str, Any]:
    rates = way["files_per_second"]
    return {
        "streams": way["streams"],
        "files_per_second": float(np.median(rates)),
        "range": [min(rates), max(rates)],
    }


def _decode(outcome: Outcome) -> dict[str, float] | None:
    kept = outcome.stages.folder.get(FINAL) or outcome.stages.folder.get(SCREENING)
    if not kept or not kept["decode_ms"]:
        return None
    p50, p90 = np.percentile(kept["decode_ms"], [50, 90])
    return {"p50": float(p50), "p90": float(p90)}


def _histogram(values: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, bins=min(BARS, max(4, len(values) // 2)))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _parity(outcome: Outcome, row: Row) -> float | None:
    """Largest difference of a probability from the graph on OpenVINO, on the images that were timed."""
    scored = outcome.stages.table.gate.get(row.function)
    if row.times is None or not row.times.answers or scored is None:
        return None
    split, answers = outcome.stages.bundles.splits.gate, np.array(row.times.answers)
    rounds = outcome.stages.rounds(row)
    images = evenly(len(split), rounds)[: len(answers)]
    return float(np.abs(answers - scored.answers_NC[images]).max())
