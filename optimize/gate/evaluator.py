"""Evaluates candidates against their FP32 bundle on the gate split; images and FP32 answers are read once.

Shape suffixes: N images, H x W pixels.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.heatmaps import HeatmapAgreement, compare_heatmaps, images_with_findings
from ...datasets import Dataset, Split, load_images
from ...runtime.backends.base import Backend
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.bundle.bundle import MODEL, WEIGHTS, Bundle
from ...runtime.bundle.manifest import Manifest
from ...runtime.console import progress
from ...runtime.errors import DataError, UsageError
from ..quantize.calibration import TRAIN
from ..settings import GateSettings
from .gate import GateResult, check_gate_split, run_gate


@dataclass(frozen=True, eq=False)
class GateEvaluator:
    """Evaluates candidates of one FP32 bundle on the gate split."""

    dataset: str
    """Its name, for the record."""
    parent: Bundle
    """The FP32 bundle."""
    split: Split
    """That gates, its label columns in the order of the bundle's classes."""
    settings: GateSettings
    """What is allowed."""

    def evaluate(self, candidate: Backend) -> GateResult:
        """Measure a candidate's drop in AUC and judge it.

        Raises:
            DataError, InputError: an image is absent or cannot be decoded.
        """
        return run_gate(
            self.dataset,
            self.parent.manifest.classes,
            self.split,
            self._expected,
            self._answers(candidate, f"gate on {self.split.name}"),
            self.settings,
            self.parent.manifest.thresholds,
        )

    def compare_heatmaps(self, xml: bytes, weights: bytes) -> HeatmapAgreement | None:
        """Compare the heatmaps of the FP32 bundle and of a candidate's IR, over findings of the gate split.

        Returns:
            None where nothing was compared: none were asked for, no image has a finding, or the FP32 bundle
            gives no activation maps.
        """
        count = self.settings.heatmap_images
        shown = images_with_findings(self.split, count) if count else self.split.select([])
        if not len(shown) or len(self.parent.manifest.outputs) < 2:
            return None
        preprocessing = self.parent.manifest.preprocessing
        return compare_heatmaps(
            OpenVINOBackend(self.parent.read(MODEL), self.parent.read(WEIGHTS), maps=True),
            OpenVINOBackend(xml, weights, maps=True),
            load_images(shown, preprocessing),
            shown.marked_labels,
            preprocessing,
        )

    @cached_property
    def reference(self) -> Backend:
        """The FP32 bundle on OpenVINO."""
        return OpenVINOBackend(self.parent.read(MODEL), self.parent.read(WEIGHTS))

    @cached_property
    def _images(self) -> NDArray[np.uint8]:
        return load_images(self.split, self.parent.manifest.preprocessing)

    @cached_property
    def _expected(self) -> NDArray[np.float32]:
        return self._answers(self.reference, f"FP32 on {self.split.name}")

    def _answers(self, backend: Backend, label: str) -> NDArray[np.float32]:
        images_NHW = self._images
        shown = progress(images_NHW, label=label, total=len(images_NHW))
        return np.stack([backend.infer(image_HW) for image_HW in shown])


def at_stricter_level(result: GateResult, level: float) -> GateResult:
    """A gate's result on images that it was asked about before, at a stricter level.

    By Bonferroni's inequality looks at levels a and b pass a network at the margin in at most a + b of all
    cases, however the networks and images depend on one another.

    Args:
        result: of `run_gate`, whose own level is 5 %.
        level: how often a network at the margin may pass, below 5 %.
    """
    verdict = result.verdict
    drop, margin = verdict.drop, result.settings.max_auc_drop
    bound = drop.upper_at(level)
    said = f"a later look at the same images, at {level:.1%}: upper bound {bound:.4f}"
    unsure = [
        finding.name
        for finding in result.findings
        if finding.p_corrected is not None and finding.judged == "kept" and finding.p_corrected > level
    ]
    if not verdict.passed or (bound <= margin and not unsure):
        return replace(result, verdict=replace(verdict, reason=f"{verdict.reason}; {said}"))
    names = f", not shown for {', '.join(unsure)}" if unsure else ""
    reason = f"too few images to tell at the level of {said}{names}; {verdict.reason}"
    return replace(result, verdict=replace(verdict, outcome="too_few", reason=reason))


class HasClasses(Protocol):
    """A manifest, or whatever else names its outputs."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Name per output."""
        ...


def gate_split(dataset: Dataset, manifest: Manifest, gate: GateSettings) -> Split:
    """The split that gates, its label columns in the order of the bundle's classes.

    Raises:
        UsageError: it is the training split.
        DataError: there is no such split, its classes are others, or it has no AUC.
    """
    if gate.split == TRAIN:
        raise UsageError(f"the {TRAIN} split calibrates, so it cannot gate; choose another --split")
    split = label_columns(dataset, dataset.split(gate.split), manifest)
    check_gate_split(split)
    return split


def label_columns(dataset: Dataset, split: Split, manifest: HasClasses) -> Split:
    """A split with its label columns in the order of a bundle's classes.

    Raises:
        DataError: the dataset is labelled for other classes.
    """
    if set(dataset.classes) != set(manifest.classes):
        absent = [name for name in manifest.classes if name not in dataset.classes]
        extra = [name for name in dataset.classes if name not in manifest.classes]
        raise DataError(
            f"{dataset.name} is labelled for other classes than the bundle: it lacks {absent or 'none'} and "
            f"has {extra or 'none'} beyond; name its columns by classes.txt"
        )
    columns = [dataset.classes.index(name) for name in manifest.classes]
    mask_NC = None if split.mask_NC is None else split.mask_NC[:, columns]
    return replace(split, labels_NC=split.labels_NC[:, columns], mask_NC=mask_NC)
