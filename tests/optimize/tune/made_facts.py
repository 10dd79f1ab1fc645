"""What a tuning writes as JSON, without a tuning: invented answers and latencies, real statistics of them."""

import json
from itertools import pairwise
from typing import Any

import numpy as np

from xopt.metrics.bootstrap import auc_intervals, paired_auc_drop
from xopt.metrics.delong import paired_test
from xopt.metrics.operating_points import calibration_error, choose, compare_decisions
from xopt.metrics.scores import class_metrics, precision_recall_curve, roc_curve

from .made_variants import (
    CHOSEN,
    FINDINGS,
    MS,
    OFF,
    REFERENCE,
    RESAMPLES,
    SPEED,
    Split,
    latencies,
    made_variant,
    scored,
    settle,
    variant_grid,
)


def made_facts(*, images: int = 260, seed: int = 0, prevalence: float = 0.2) -> dict[str, Any]:
    """The facts of a tuning that met its goal; plain JSON values."""
    gate, report = Split(images // 2, seed + 1, prevalence), Split(images, seed + 2, prevalence)
    reference_ms = latencies(MS["ten"] / 0.47, 0)
    variants = []
    for number, (engine, precision, crops, preset) in enumerate(variant_grid()):
        noise = OFF[crops] + (0.12 if precision == "INT8" else 0.0)
        latency = reference_ms if number == 0 else latencies(MS[crops] / SPEED[engine, precision], number)
        variants.append(made_variant(engine, precision, crops, preset, latency, reference_ms))
        for key, split in (("auc_gate", gate), ("auc_report", report)):
            variants[-1][key] = scored(split, noise, number)
    settle(variants)
    chosen = next(number for number, v in enumerate(variants) if v["name"] == CHOSEN)
    before, after = report.answers(0, 0), report.answers(OFF["ten-shared"] + 0.12, chosen)
    facts = {
        "schema": 1,
        "command": "tune",
        "objective": {
            "kind": "fastest",
            "max_auc_drop": 0.03,
            "max_class_auc_drop": 0.1,
            "max_latency_ms": None,
            "outcome": "met",
            "reason": f"the fastest with a drop in mean AUC within 0.03: {CHOSEN}, 12.8 ms on the median",
        },
        "chosen": CHOSEN,
        "candidate": CHOSEN,
        "reference": REFERENCE,
        "auc_reference": "fp32-ten",
        "method": ["Latency: images one at a time, interleaved.", "Intervals: from 150 resamples."],
        "intended_use": "Research only; not a medical device.",
        "source": {"name": "densenet121-made.json", "sha256": "ab" * 32},
        "machine": _machine(),
        "data": {"name": "made", "classes": list(FINDINGS)},
        "roles": _roles(gate, report),
        "settings": {
            "gate_split": "val",
            "report_split": "test",
            "crops": list(MS),
            "engines": ["openvino", "onnxruntime"],
            "presets": ["performance", "mixed"],
            "threads": [None],
            "rounds": 30,
            "resamples": RESAMPLES,
            "seed": 0,
        },
        "variants": variants,
        "findings": [_finding(report, before, after, c) for c in range(len(FINDINGS))],
        "curves": {
            name: {"reference": _curves(report, before, c), "chosen": _curves(report, after, c)}
            for c, name in enumerate(FINDINGS)
            if report.labels[:, c].any()
        },
        "reliability": {"reference": _reliability(report, before), "chosen": _reliability(report, after)},
        "heatmaps": {
            "images": 12,
            "maps": 17,
            "overlap": {"median": 0.834},
            "correlation": {"median": 0.981, "p10": 0.93},
            "pointing_agreement": 0.917,
        },
        "versions": {"xopt": "0.1.0", "openvino": "2026.4.1", "nncf": "3.4.0"},
        "seconds": {"export": 31.25, "calibrate": 62.5, "answers": 240.75, "latency": 88.0},
        "resumed": 1,
    }
    copy: dict[str, Any] = json.loads(json.dumps(facts, allow_nan=False))
    return copy


def without_auc(facts: dict[str, Any]) -> dict[str, Any]:
    """The same where no finding has both labels: no AUC anywhere, and nothing that needs one."""
    bare: dict[str, Any] = json.loads(json.dumps(facts))
    for variant in bare["variants"]:
        variant |= {"auc_gate": None, "auc_report": None, "pareto": False}
    for finding in bare["findings"]:
        for side in ("reference", "chosen"):
            finding[side] |= dict.fromkeys(("auc", "ci", "sensitivity", "average_precision", "ece"))
        finding |= dict.fromkeys(("drop", "drop_ci", "p_value", "p_not_inferior", "verdict", "threshold"))
    bare |= {"curves": {}, "heatmaps": None, "reliability": {"reference": None, "chosen": None}}
    return bare


def without_choice(facts: dict[str, Any]) -> dict[str, Any]:
    """The same where no variant met the goal."""
    bare: dict[str, Any] = json.loads(json.dumps(facts))
    bare |= {"chosen": None, "candidate": None}
    bare["objective"] |= {"outcome": "not_met", "reason": "none of 12 variants passed the gate"}
    for finding in bare["findings"]:
        finding |= dict.fromkeys(
            ("chosen", "drop", "drop_ci", "p_value", "p_not_inferior", "flipped", "verdict")
        )
    for curves in bare["curves"].values():
        curves["chosen"] = None
    bare["reliability"]["chosen"] = None
    bare["heatmaps"] = None
    return bare


def _finding(split: Split, before: Any, after: Any, c: int) -> dict[str, Any]:
    labels = split.labels[:, c]
    point = choose(labels, before[:, c], "youden")
    positives = int(labels.sum())
    patients = len({split.patients[i] for i in np.flatnonzero(labels)})
    found = {"name": FINDINGS[c], "positives": positives, "positive_patients": patients}
    at = 0.5 if point is None else point.threshold
    sides = {"reference": _side(split, before, c, at), "chosen": _side(split, after, c, at)}
    flipped = compare_decisions(labels, before[:, c], after[:, c], at).flips
    if point is None:
        nothing = dict.fromkeys(("drop", "drop_ci", "p_value", "p_not_inferior", "verdict"))
        return {**found, **sides, **nothing, "flipped": flipped, "threshold": at}
    drop = paired_auc_drop(split.labels, before, after, split.patients, resamples=RESAMPLES).classes[c]
    test = paired_test(labels, before[:, c], after[:, c])
    assert drop is not None
    assert test is not None
    return {
        **found,
        **sides,
        "drop": drop.drop,
        "drop_ci": [drop.lower, drop.upper],
        "p_value": test.p_value,
        "p_not_inferior": 0.0012 * (c + 1),
        "flipped": flipped,
        "threshold": at,
        "verdict": "kept" if positives >= 40 else "too_few",
    }


def _side(split: Split, answers: Any, c: int, threshold: float) -> dict[str, Any]:
    metrics = class_metrics(split.labels[:, c], answers[:, c], threshold=threshold)
    interval = auc_intervals(split.labels, answers, split.patients, resamples=RESAMPLES).classes[c]
    confusion = metrics.confusion
    return {
        "auc": metrics.auc,
        "ci": None if interval is None else interval.to_json(),
        "sensitivity": metrics.sensitivity,
        "specificity": metrics.specificity,
        "average_precision": metrics.average_precision,
        "ece": calibration_error(split.labels[:, c], answers[:, c]),
        "confusion": {
            "tp": confusion.true_positives,
            "fp": confusion.false_positives,
            "tn": confusion.true_negatives,
            "fn": confusion.false_negatives,
        },
    }


def _curves(split: Split, answers: Any, c: int) -> dict[str, Any]:
    roc = roc_curve(split.labels[:, c], answers[:, c])
    recall = precision_recall_curve(split.labels[:, c], answers[:, c])
    assert roc is not None
    assert recall is not None
    return {
        "roc": np.stack([roc.x, roc.y], axis=1).tolist(),
        "precision_recall": np.stack([recall.x, recall.y], axis=1).tolist(),
    }


def _reliability(split: Split, answers: Any, bins: int = 15) -> dict[str, Any]:
    labels, scores = split.labels.ravel(), answers.ravel()
    edges = np.linspace(0, 1, bins + 1)
    found = []
    for low, high in pairwise(edges):
        inside = (scores >= low) & ((scores < high) | (high == 1))
        found.append(
            {
                "from": float(low),
                "to": float(high),
                "images": int(inside.sum()),
                "mean_probability": float(scores[inside].mean()) if inside.any() else None,
                "share_positive": float(labels[inside].mean()) if inside.any() else None,
            }
        )
    return {"ece": calibration_error(labels, scores), "bins": found}


def _machine() -> dict[str, Any]:
    return {
        "cpu": "AMD EPYC",
        "cores": 2,
        "memory_mb": 24000.0,
        "features": ["avx2", "fma"],
        "system": "Linux-6.1-x86_64",
        "python": "3.11.9",
        "libraries": {"numpy": "2.4.6", "openvino": "2026.4.1", "torch": "2.15.0"},
        "load_average": 0.12,
        "fp32_peak_gmacs_per_s": 118.37,
        "advice": ["No VNNI here: INT8 multiplies at most twice as fast as FP32."],
    }


def _roles(gate: Split, report: Split) -> dict[str, Any]:
    calibrate = Split(150, 9, 0.2)
    return {
        role: {
            "split": split,
            "images": len(data.labels),
            "patients": len(set(data.patients)),
            "patients_known": True,
            "digest": digest * 32,
            "positives": dict(zip(FINDINGS, data.labels.sum(axis=0).tolist(), strict=True)),
        }
        for role, split, data, digest in (
            ("calibrate", "train", calibrate, "c1"),
            ("gate", "val", gate, "d2"),
            ("report", "test", report, "e3"),
        )
    }
