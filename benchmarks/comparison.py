"""`xopt bench`: accuracy and speed of every variant from one run, each against the reference row.

Shapes: N images, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset, Split
from ..datasets.roles import Scored, check_roles
from ..metrics.bootstrap import AucIntervals, PairedDrop, auc_intervals, paired_auc_drop
from ..metrics.scores import mean_auc, roc_auc
from ..runtime.bundle.bundle import Bundle
from ..runtime.errors import UsageError
from .latency import Percentiles, Speedup, percentiles, speedup
from .machine import machine_facts
from .measurement import Measured, evenly, measure, measure_peak
from .settings import BenchSettings
from .variants import Reference, list_variants


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One variant against the reference."""

    measured: Measured
    auc: float | None
    """Mean over the classes that have both labels; None without one."""
    class_aucs: tuple[float | None, ...]
    intervals: AucIntervals
    drop: PairedDrop | None
    """None where there is no AUC."""
    latency: Percentiles
    speedup: Speedup
    parity: float
    """Largest difference in any probability of any image from the reference's."""
    peak_share: float
    """Multiply-accumulates a second, as a share of the machine's FP32 peak."""

    files_speedup: float
    """How many times the reference's files a second."""

    @property
    def files_per_second(self) -> float:
        """Image files to probabilities, the median over the rounds."""
        return float(np.median(self.measured.files_per_second))

    @property
    def name(self) -> str:
        """The row's name in tables and plots."""
        return self.measured.variant.name

    @property
    def gmacs_per_s(self) -> float:
        """Billions of multiply-accumulates a second at the median latency."""
        return self.measured.macs / self.latency.p50 / 1e6

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values; what does not exist is null."""
        measured, interval, drop = self.measured, self.intervals.mean, self.drop
        return {
            "variant": self.name,
            "engine": measured.variant.engine,
            "precision": measured.variant.precision,
            "crops": measured.preprocessing.crops,
            "auc_mean": self.auc,
            "auc_ci": None if interval is None else interval.to_json(),
            "auc_drop": None if drop is None else drop.drop,
            "auc_drop_ci": None if drop is None else [drop.lower, drop.upper],
            "auc_drop_p_value": None if drop is None else drop.p_value,
            "parity_max_abs": self.parity,
            "latency_ms": self.latency.to_json(),
            "speedup": self.speedup.ratio,
            "speedup_ci": self.speedup.interval.to_json(),
            "images_per_second": 1e3 / self.latency.p50,
            "end_to_end_images_per_second": self.files_per_second,
            "end_to_end_range": [
                float(measured.files_per_second.min()),
                float(measured.files_per_second.max()),
            ],
            "end_to_end_speedup": self.files_speedup,
            "size_mb": measured.size_mb,
            "peak_rss_mb": measured.peak_rss_mb,
            "cold_start_s": measured.cold_start_s,
            "macs": measured.macs,
            "gmacs_per_s": self.gmacs_per_s,
            "fp32_peak_share": self.peak_share,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class BundleFacts:
    """Facts of a bundle that a report shows beside its row."""

    name: str
    digest: str
    intended_use: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Everything one benchmark found; the first row is the reference."""

    dataset: str
    """Name of the data."""
    split: Split
    """The images that were answered."""
    classes: tuple[str, ...]
    settings: BenchSettings
    machine: dict[str, Any]
    peak_gmacs_per_s: float
    """FP32 multiply-accumulates the machine did in a second in a large matrix product, in billions."""
    rows: tuple[Row, ...]
    bundles: tuple[BundleFacts, ...]
    notes: tuple[str, ...] = ()
    """What a reader has to know of the images: whether they had a part in a bundle."""

    @property
    def reference(self) -> Row:
        """The row all others are held against."""
        return self.rows[0]

    @property
    def smallest(self) -> Row:
        """The row that takes the least storage: the most compressed variant."""
        return min(self.rows, key=lambda row: row.measured.size_mb)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "machine": {**self.machine, "fp32_peak_gmacs_per_s": self.peak_gmacs_per_s},
            "data": {
                "name": self.dataset,
                "split": self.split.name,
                "digest": self.split.digest,
                "patients": len(set(self.split.patients)),
                "classes": list(self.classes),
            },
            "images": len(self.split),
            "threads": self.settings.threads,
            "resamples": self.settings.resamples,
            "seed": self.settings.seed,
            "reference": self.reference.name,
            "bundles": [{"name": b.name, "digest": b.digest} for b in self.bundles],
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
            "classes": {name: self._class_json(c) for c, name in enumerate(self.classes)},
        }

    def _class_json(self, c: int) -> dict[str, Any]:
        positives = int(self.split.labels_NC[:, c].sum())
        rows = {}
        for row in self.rows:
            interval, drop = row.intervals.classes[c], row.drop.classes[c] if row.drop else None
            rows[row.name] = {
                "auc": row.class_aucs[c],
                "auc_ci": None if interval is None else interval.to_json(),
                "auc_drop": None if drop is None else drop.drop,
                "auc_drop_ci": None if drop is None else [drop.lower, drop.upper],
            }
        return {"positives": positives, "rows": rows}


def compare(
    bundles: Sequence[str | Path],
    dataset: Dataset,
    *,
    reference: Reference | None = None,
    settings: BenchSettings | None = None,
) -> Comparison:
    """Run bundles, and a checkpoint as their reference, over one split.

    Args:
        bundles: folders, at least one.
        dataset: with the split to answer; its images must be there.
        reference: a checkpoint to run in PyTorch; without one the first bundle is the reference.
        settings: which images, how many threads, how many resamples.

    Raises:
        UsageError: no bundle, or one given twice.
        BundleError: a bundle is missing or changed, or does not fit the data or the others.
        DataError: no such split, an image is absent, or images to score have calibrated or gated a bundle.
        XoptError: a variant cannot be loaded or fails.
    """
    settings = settings or BenchSettings()
    if not bundles:
        raise UsageError("no bundle to bench; make one with: xopt export CHECKPOINT --out BUNDLE")
    whole = dataset.split(settings.split)
    split = whole.select(evenly(len(whole), len(whole) if settings.images is None else settings.images))
    opened = [Bundle.open(path) for path in bundles]
    scored = Scored(split=split, preprocessing=opened[0].manifest.preprocessing)
    notes = check_roles(opened, dataset, scored, allow_gate_images=settings.allow_gate_images)
    variants = list_variants(opened, classes=dataset.classes, reference=reference, threads=settings.threads)
    machine = machine_facts()
    measured = measure(
        variants,
        split,
        preprocessing=opened[0].manifest.preprocessing,
        classes=dataset.classes,
        threads=settings.threads,
        file_rounds=settings.file_rounds,
    )
    peak = measure_peak(settings.threads)
    return Comparison(
        dataset=dataset.name,
        split=split,
        classes=dataset.classes,
        settings=settings,
        machine=machine,
        peak_gmacs_per_s=peak,
        rows=tuple(_row(one, measured[0], split, settings, peak) for one in measured),
        bundles=tuple(
            BundleFacts(name=b.path.name, digest=b.digest, intended_use=b.manifest.intended_use)
            for b in opened
        ),
        notes=notes,
    )


def _row(one: Measured, reference: Measured, split: Split, settings: BenchSettings, peak: float) -> Row:
    labels_NC, patients = split.marked_labels, split.patients
    draws = {"resamples": settings.resamples, "seed": settings.seed}
    before_NC, after_NC = _wide(reference), _wide(one)
    auc = mean_auc(labels_NC, after_NC)
    latency = percentiles(one.latency_ms)
    return Row(
        measured=one,
        auc=auc,
        class_aucs=tuple(roc_auc(labels_NC[:, c], after_NC[:, c]) for c in range(labels_NC.shape[1])),
        intervals=auc_intervals(labels_NC, after_NC, patients, **draws),
        drop=None if auc is None else paired_auc_drop(labels_NC, before_NC, after_NC, patients, **draws),
        latency=latency,
        speedup=speedup(reference.latency_ms, one.latency_ms, **draws),
        parity=float(np.abs(after_NC - before_NC).max()),
        peak_share=one.macs / latency.p50 / 1e6 / peak,
        files_speedup=float(np.median(one.files_per_second) / np.median(reference.files_per_second)),
    )


def _wide(one: Measured) -> NDArray[np.float64]:
    return one.probabilities.astype(np.float64)
