"""A comparison without a run: invented answers and latencies, analysed by the real code."""

import numpy as np

from xopt.benchmarks.bundle_engine import BundleVariant
from xopt.benchmarks.comparison import BenchSettings, BundleFacts, Comparison, _row
from xopt.benchmarks.measurement import Measured
from xopt.benchmarks.torch_engine import TorchVariant
from xopt.datasets import Split
from xopt.runtime.images.preprocessing import Preprocessing

FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion <b>", "Infiltration", "Mass & Nodule", "Hernia")


def made_split(images=120, findings=FINDINGS, seed=0):
    random = np.random.default_rng(seed)
    labels = (random.random((images, len(findings))) < 0.25).astype(np.uint8)
    labels[:, -1] = 0
    names = tuple(f"{i // 2:08d}_{i % 2:03d}.png" for i in range(images))
    return Split(
        name="test", images=names, labels_NC=labels, patients=tuple(n[:8] for n in names), folders=()
    )


def made_comparison(*, peers=True, images=120, findings=FINDINGS, seed=0, auc=True):
    split = made_split(images, findings, seed)
    if not auc:
        split.labels_NC[:] = 0
    random = np.random.default_rng(seed + 1)
    truth = random.normal(1.2 * split.labels_NC, 1)
    facts = {"path": "x", "crops": "ten"}
    rows = [
        (TorchVariant(name="PyTorch eager", **facts), 331, 0.0, 28.2, 640, 3.4),
        (
            BundleVariant(name="ONNX Runtime fp32", engine="onnxruntime", precision="FP32", **facts),
            148,
            1e-6,
            28.4,
            240,
            0.9,
        ),
        (BundleVariant(name="OpenVINO fp32", precision="FP32", **facts), 155, 1e-6, 28.6, 310, 0.8),
        (BundleVariant(name="OpenVINO int8", precision="INT8", **facts), 39, 0.15, 8.1, 190, 0.7),
    ]
    if peers:
        rows += [
            (TorchVariant(name="torch.compile FP32", mode="compile", **facts), 193, 1e-6, 28.2, 1300, 52.0),
            (
                TorchVariant(name="torch.compile BF16", mode="compile-bf16", **facts),
                87,
                0.03,
                28.2,
                1350,
                55.0,
            ),
        ]
    measured = [
        Measured(
            variant=variant,
            preprocessing=Preprocessing(crops="ten"),
            size_mb=size,
            probabilities=(1 / (1 + np.exp(-truth - random.normal(0, noise, truth.shape)))).astype(
                np.float32
            ),
            latency_ms=latency
            * np.exp(np.abs(random.normal(0, 0.03, images)) + (random.random(images) > 0.97) * 0.2),
            files_per_second=1e3 / (latency + 9 + random.random(6)),
            cold_start_s=start,
            peak_rss_mb=rss,
            macs=28_331_520_000,
        )
        for variant, latency, noise, size, rss, start in rows
    ]
    settings = BenchSettings(resamples=200)
    return Comparison(
        dataset="made",
        split=split,
        classes=tuple(findings),
        settings=settings,
        machine={
            "cpu": "AMD EPYC",
            "cores": 2,
            "memory_mb": 24000.0,
            "features": ["avx2", "avx512_vnni"],
            "system": "Linux-6.1-x86_64",
            "python": "3.11.9",
            "libraries": {"numpy": "2.4.6", "openvino": "2026.4.1", "torch": "2.15.0"},
            "load_average": 0.12,
        },
        peak_gmacs_per_s=118.0,
        rows=tuple(_row(one, measured[0], split, settings, 118.0) for one in measured),
        bundles=(
            BundleFacts(
                name="fp32.xopt", digest="ab" * 32, intended_use="Research only; not a medical device."
            ),
            BundleFacts(
                name="int8.xopt", digest="cd" * 32, intended_use="Research only; not a medical device."
            ),
        ),
    )
