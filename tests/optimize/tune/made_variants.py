"""The variants of a tuning without a tuning: invented answers and latencies, real statistics of them."""

from typing import Any

import numpy as np

from xopt.benchmarks.latency import percentiles, speedup
from xopt.metrics.bootstrap import auc_intervals, paired_auc_drop
from xopt.metrics.scores import mean_auc

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
MS = {"center": 18.1, "five": 82, "ten": 155, "ten-shared": 37}
SPEED = {("torch", "FP32"): 0.47, ("openvino", "FP32"): 1, ("onnxruntime", "FP32"): 1.05}
SPEED |= {("openvino", "INT8"): 2.9, ("onnxruntime", "INT8"): 1.6, ("openvino", "BF16"): 1.0}
_TITLES = {"torch": "PyTorch eager", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
OFF = {"center": 0.35, "five": 0.12, "ten": 0.0, "ten-shared": 0.1}
RESAMPLES = 150


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


def variant_grid() -> list[tuple[str, str, str, str | None]]:
    made: list[tuple[str, str, str, str | None]] = [("torch", "FP32", "ten", None)]
    for crops in MS:
        made += [("openvino", "FP32", crops, None), ("onnxruntime", "FP32", crops, None)]
        made += [("openvino", "BF16", crops, None), ("openvino", "INT8", crops, "performance")]
        made += [("openvino", "INT8", crops, "mixed"), ("onnxruntime", "INT8", crops, "performance")]
    return made


def latencies(median_ms: float, number: int, images: int = 30) -> Any:
    random = np.random.default_rng([7, number])
    return median_ms * np.exp(np.abs(random.normal(0, 0.04, images)) + (random.random(images) > 0.93) * 0.15)


def made_variant(
    engine: str, precision: str, crops: str, preset: str | None, latency: Any, reference_ms: Any
) -> dict[str, Any]:
    times = percentiles(latency)
    faster = speedup(reference_ms, latency, resamples=RESAMPLES)
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
        "streams": [made_stream(count, times.p50) for count in (1, 2) if engine == "openvino"],
        "size_mb": 8.15 if precision == "INT8" else 28.21,
        "macs": int(_MACS[crops] * 1e9),
        "parity_max_abs": 3.3e-06 if engine == "onnxruntime" else 0.0,
        "pareto": False,
    }


def made_stream(count: int, p50: float) -> dict[str, Any]:
    rate = 1e3 / (p50 * (1.2 if count == 1 else 1) + 4.1)
    return {"streams": count, "files_per_second": rate, "range": [0.95 * rate, 1.02 * rate]}


def scored(split: Split, noise: float, number: int) -> dict[str, Any]:
    before, after = split.answers(0, 0), split.answers(noise, number)
    settings: dict[str, Any] = {"resamples": RESAMPLES, "seed": 0}
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
        "degrees_of_freedom": drop.degrees_of_freedom,
        "passes": drop.upper_one_sided <= 0.03,
    }


def settle(variants: list[dict[str, Any]]) -> None:
    """The Pareto front, and some that were not measured to the end."""
    for variant in variants:
        if variant["precision"] == "BF16":
            nothing = ("auc_gate", "latency_ms", "decode_ms", "speedup", "speedup_ci", "size_mb", "macs")
            nothing += ("auc_report", "images_per_second", "end_to_end_images_per_second")
            variant |= {**dict.fromkeys(nothing), "streams": []}
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
