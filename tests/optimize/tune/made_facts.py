"""What a tuning writes as JSON, without a tuning: invented answers and latencies, real statistics of them."""

import json
from itertools import pairwise
from typing import Any

import numpy as np

from xopt.benchmarks.bootstrap import auc_intervals, paired_auc_drop
from xopt.benchmarks.delong import paired_test
from xopt.benchmarks.latency import percentiles, speedup
from xopt.benchmarks.metrics import class_metrics, mean_auc, precision_recall_curve, roc_curve
from xopt.benchmarks.operating import calibration_error, choose, compare_decisions

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion <b>",
    "Infiltration",
    "Mass | Nodule",
    "Pneumonia",
    "Hernia",
)
REFERENCE, CHOSEN = "PyTorch eager FP32 ten", "OpenVINO INT8 ten-shared"
_MACS = {"center": 2.83, "five": 14.2, "ten": 28.3, "ten-shared": 7.4}
_MS = {"center": 18.1, "five": 82, "ten": 155, "ten-shared": 37}
_SPEED = {("torch", "FP32"): 0.47, ("openvino", "FP32"): 1, ("onnxruntime", "FP32"): 1.05}
_SPEED |= {("openvino", "INT8"): 2.9, ("onnxruntime", "INT8"): 1.6, ("openvino", "BF16"): 1.0}
_TITLES = {"torch": "PyTorch eager", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
_OFF = {"center": 0.35, "five": 0.12, "ten": 0.0, "ten-shared": 0.1}
_RESAMPLES = 150


class Split:
    """Labels of two images a patient, and what each finding adds to a score."""

    def __init__(self, images: int, seed: int, prevalence: float) -> None:
        random = np.random.default_rng(seed)
        shares = prevalence * np.linspace(1.6, 0.3, len(FINDINGS))
        self.labels = (random.random((images, len(FINDINGS))) < shares).astype(np.uint8)
        self.labels[:, -1] = 0
        self.patients = [str(i // 2) for i in range(images)]
        self.truth = random.normal(1.1 * self.labels, 1)
        self.seed = seed

    def answers(self, noise: float, number: int) -> Any:
        """Probabilities that stray from the reference's by `noise` standard deviations."""
        random = np.random.default_rng([self.seed, number])
        logits = self.truth - 2 + noise * random.normal(size=self.truth.shape)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def made_facts(*, images: int = 260, seed: int = 0, prevalence: float = 0.2) -> dict[str, Any]:
    """The facts of a tuning that met its goal; plain JSON values."""
    gate, report = Split(images // 2, seed + 1, prevalence), Split(images, seed + 2, prevalence)
    reference_ms = _latencies(_MS["ten"] / 0.47, 0)
    variants = []
    for number, (engine, precision, crops, preset) in enumerate(_plans()):
        noise = _OFF[crops] + (0.12 if precision == "INT8" else 0.0)
        latency = reference_ms if number == 0 else _latencies(_MS[crops] / _SPEED[engine, precision], number)
        variants.append(_variant(engine, precision, crops, preset, latency, reference_ms))
        scored = {"auc_gate": gate, "auc_report": report}
        for key, split in scored.items():
            variants[-1][key] = _auc(split, noise, number)
    _settle(variants)
    chosen = next(number for number, v in enumerate(variants) if v["name"] == CHOSEN)
    before, after = report.answers(0, 0), report.answers(_OFF["ten-shared"] + 0.12, chosen)
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
            "crops": list(_MS),
            "engines": ["openvino", "onnxruntime"],
            "presets": ["performance", "mixed"],
            "threads": [None],
            "rounds": 30,
            "resamples": _RESAMPLES,
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


def _plans() -> list[tuple[str, str, str, str | None]]:
    made: list[tuple[str, str, str, str | None]] = [("torch", "FP32", "ten", None)]
    for crops in _MS:
        made += [("openvino", "FP32", crops, None), ("onnxruntime", "FP32", crops, None)]
        made += [("openvino", "BF16", crops, None), ("openvino", "INT8", crops, "performance")]
        made += [("openvino", "INT8", crops, "mixed"), ("onnxruntime", "INT8", crops, "performance")]
    return made


def _latencies(median_ms: float, number: int, images: int = 30) -> Any:
    random = np.random.default_rng([7, number])
    return median_ms * np.exp(np.abs(random.normal(0, 0.04, images)) + (random.random(images) > 0.93) * 0.15)


def _variant(
    engine: str, precision: str, crops: str, preset: str | None, latency: Any, reference_ms: Any
) -> dict[str, Any]:
    times = percentiles(latency)
    faster = speedup(reference_ms, latency, resamples=_RESAMPLES)
    counts, edges = np.histogram(latency, bins=12)
    mixed = " mixed" if preset == "mixed" else ""
    return {
        "name": f"{_TITLES[engine]} {precision}{mixed} {crops}",
        "engine": engine,
        "precision": precision,
        "crops": crops,
        "preset": preset,
        "floating_point_layers": ["features.conv0", "classifier"] if preset == "mixed" else [],
        "threads": None,
        "status": "measured",
        "why": None,
        "latency_ms": {
            **times.to_json(),
            "mean": float(latency.mean()),
            "images": len(latency),
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        },
        "decode_ms": {"p50": 4.1, "p90": 5.3},
        "speedup": faster.ratio,
        "speedup_ci": faster.interval.to_json(),
        "images_per_second": 1e3 / times.p50,
        "end_to_end_images_per_second": 1e3 / (times.p50 + 4.1),
        "size_mb": 8.15 if precision == "INT8" else 28.21,
        "macs": int(_MACS[crops] * 1e9),
        "parity_max_abs": 3.3e-06 if engine == "onnxruntime" else 0.0,
        "pareto": False,
    }


def _auc(split: Split, noise: float, number: int) -> dict[str, Any]:
    before, after = split.answers(0, 0), split.answers(noise, number)
    settings: dict[str, Any] = {"resamples": _RESAMPLES, "seed": 0}
    drop = paired_auc_drop(split.labels, before, after, split.patients, **settings)
    interval = auc_intervals(split.labels, after, split.patients, **settings).mean
    assert interval is not None
    return {
        "auc": mean_auc(split.labels, after),
        "ci": interval.to_json(),
        "drop": drop.drop,
        "drop_ci": [drop.lower, drop.upper],
        "upper_one_sided": drop.upper_one_sided,
        "standard_error": drop.standard_error,
        "passes": drop.upper_one_sided <= 0.03,
    }


def _settle(variants: list[dict[str, Any]]) -> None:
    """The Pareto front, and some that were not measured to the end."""
    for variant in variants:
        if variant["precision"] == "BF16":
            nothing = ("auc_gate", "latency_ms", "decode_ms", "speedup", "speedup_ci", "size_mb", "macs")
            nothing += ("auc_report", "images_per_second", "end_to_end_images_per_second")
            variant |= dict.fromkeys(nothing)
            variant |= {"status": "left_out", "why": "this CPU does not compute in BF16 (no AMX)"}
        elif variant["name"].startswith("ONNX Runtime") and variant["crops"] != "ten":
            why = "clearly slower than OpenVINO, which answers alike"
            variant |= {"status": "stopped", "why": why, "auc_gate": None, "auc_report": None}
        elif variant["name"] == "OpenVINO INT8 mixed five":
            nothing = ("auc_gate", "auc_report", "latency_ms", "speedup", "speedup_ci", "images_per_second")
            variant |= dict.fromkeys(nothing)
            variant |= {"status": "failed", "why": "worker left with signal 9 <killed>"}
    known = [v for v in variants if v["auc_gate"] is not None]
    for one in known:
        beaten = [
            v["latency_ms"]["p50"] < one["latency_ms"]["p50"]
            and v["auc_gate"]["auc"] >= one["auc_gate"]["auc"]
            for v in known
        ]
        one["pareto"] = not any(beaten)
        if not one["pareto"] and one["name"] not in (REFERENCE, CHOSEN):
            one["auc_report"] = None


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
    drop = paired_auc_drop(split.labels, before, after, split.patients, resamples=_RESAMPLES).classes[c]
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
    interval = auc_intervals(split.labels, answers, split.patients, resamples=_RESAMPLES).classes[c]
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
