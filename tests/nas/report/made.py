"""A finished search made up: a report without a training."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from xopt.benchmarks.scoring import score
from xopt.datasets import Dataset, Split
from xopt.nas.finals.comparing import compare_finalists
from xopt.nas.finals.result import Finalist, Finished
from xopt.nas.finals.settings import FinalsSettings
from xopt.nas.finals.winner_bundle import Tested
from xopt.nas.hardware.finalist_latency import RealLatency
from xopt.runtime.bundle.bundle import Bundle
from xopt.runtime.bundle.manifest import FileFacts, Manifest, Port
from xopt.runtime.images.preprocessing import Preprocessing

from ..finals.made import SIDE, SPACE, made_recipe, made_rows
from ..hardware.made import made_table

CLASSES = ("Edema", "Mass <b>&amp;")
COUNT = 80


def made_split(name: str) -> Split:
    """Labels without images."""
    random = np.random.default_rng(1)
    labels_NC = random.integers(0, 2, (COUNT, len(CLASSES)), dtype=np.uint8)
    images = tuple(f"{index}.png" for index in range(COUNT))
    return Split(name=name, images=images, labels_NC=labels_NC, patients=images, folders=())


def made_bundle() -> Bundle:
    """A manifest without files."""
    gate = {"split": "val", "auc_drop": 0.001, "auc_drop_ci": [-0.002, 0.004]}
    manifest = Manifest(
        name="net",
        task="multi-label",
        classes=CLASSES,
        thresholds=dict.fromkeys(CLASSES, 0.5),
        preprocessing=Preprocessing.square(SIDE, SIDE, crops="center", planes=1, mean=(0.5,), std=(0.25,)),
        inputs=(Port(name="image", shape=(1, SIDE, SIDE), dtype="uint8"),),
        outputs=(Port(name="probabilities", shape=(1, 2), dtype="float32"),),
        precision="INT8",
        golden={"images": 4, "tolerance": 0.02},
        provenance={"checkpoint": {"architecture": SPACE.architecture("22")}},
        gate=gate,
        intended_use="Research.",
        files={name: FileFacts(sha256="0" * 64, size=1000) for name in ("model.xml", "model.bin")},
    )
    return Bundle(path=Path("net.xopt"), manifest=manifest, digest="ab" * 32, _contents={})


def made_finished(**changes) -> Finished:
    """Network 22 won, 10 came second, 00 was dropped unseen."""
    splits = {name: made_split(name) for name in ("train", "val", "test")}
    dataset = Dataset(name="made", root=Path("made"), classes=CLASSES, splits=splits)
    random = np.random.default_rng(2)
    labels_NC = splits["val"].labels_NC

    def answers(skill: float):
        return 1 / (1 + np.exp(-(labels_NC * skill + random.normal(0, 1, labels_NC.shape))))

    standings = compare_finalists(
        labels_NC,
        {"22": [answers(2), answers(2)], "10": [answers(1), answers(1)]},
        splits["val"].patients,
        resamples=100,
    )
    rows = {row.code: replace(row, latency_ms=0.5 * row.macs / 1e5) for row in made_rows()}
    latency = RealLatency(measured_ms=0.31, latency_ms=0.30, predicted_ms=0.29)
    probabilities_NC = answers(2)
    finished = Finished(
        search="made <search>",
        rows=tuple(rows.values()),
        finalists=(
            Finalist(row=rows["22"], latency=latency, standing=standings[0], run=Path("22"), won=True),
            Finalist(row=rows["10"], latency=latency, standing=standings[1], run=Path("10")),
            Finalist(row=rows["00"], latency=latency, dropped="9 ms measured, allowed are 1 ms"),
        ),
        bundle=made_bundle(),
        tested=Tested(
            scores=score(splits["test"], CLASSES, probabilities_NC),
            probabilities_NC=probabilities_NC,
            looks=1,
        ),
        dataset=dataset,
        recipe=made_recipe(),
        settings=FinalsSettings(precision="INT8", threads=1, seeds=2, max_latency_ms=1.0),
        table=made_table(),
        machine={
            "cpu": "A CPU",
            "cores": 2,
            "features": ["avx2"],
            "load_average": 0.5,
            "system": "Linux",
            "python": "3.11",
            "libraries": {"openvino": "2026.4.1"},
        },
    )
    return replace(finished, **changes)
