"""FP32 bundle to INT8 bundle: calibrate, quantize, and write only what passes the gate.

Shape suffixes: N images, C classes.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ...benchmarks.heatmaps import HeatmapAgreement, compare_heatmaps, images_with_findings
from ...datasets import Dataset, Split, load_images
from ...datasets.roles import PIXELS, Scored, check_fitted, joined
from ...runtime.backends.base import Backend
from ...runtime.backends.openvino import PRECISION_HINT, OpenVINOBackend
from ...runtime.bundle.folder import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.bundle.manifest import Manifest
from ...runtime.errors import BundleError, DataError, GateError, UsageError
from ...runtime.files import check_free
from ..export.export import GOLDEN_IMAGES, bundle_name, golden_images, golden_pictures
from ..gate.evaluator import AskedGate
from ..gate.gate import GateResult, check_gate_split
from ..gate.image_copies import leave_out_copies
from ..libraries import need_quantize
from ..settings import GateSettings, QuantizeSettings
from .calibration import TRAIN, CalibrationSet, draw_calibration
from .coverage import image_features
from .memory import peak_memory_mb
from .mixed_precision import AwareSettings, Candidate, Rescue, rescue
from .onnx_form import OnnxForm, make_onnx_form
from .provenance import ancestry, tool_versions

GOLDEN_TOLERANCE = 0.02
"""Kernels of another CPU round in other places, and one step of 8 bits is 1/255 of a layer's range: the same
graph in float arithmetic was at most 0.006 away from AVX2's integers (docs/decisions/0022)."""


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """What quantizing made, passed or not."""

    bundle: Bundle
    """The INT8 bundle, at OUT, or at OUT.rejected where it did not pass."""
    gate: GateResult
    calibration: CalibrationSet
    onnx: OnnxForm
    """The bundle's model.onnx, or why it has none."""
    seconds: dict[str, float]
    """Seconds per phase: calibration images, quantize, gate."""
    peak_memory_mb: float | None
    """The most memory this process held up to the end of quantizing, in MB."""
    rescue: Rescue | None = None
    """What the accuracy-aware path did; None where it had nothing to do."""


class HasClasses(Protocol):
    """A manifest, or whatever else names its outputs."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Name per output."""
        ...


class RejectedError(GateError):
    """The candidate did not pass; `result` holds it, and why."""

    def __init__(self, message: str, result: Quantized) -> None:
        super().__init__(message)
        self.result = result


def quantize_bundle(
    parent: Bundle,
    dataset: Dataset,
    out: Path,
    *,
    settings: QuantizeSettings | None = None,
    gate: GateSettings | None = None,
    aware: AwareSettings | None = None,
    force: bool = False,
) -> Quantized:
    """Quantize an FP32 bundle and gate the result on its drop in mean AUC.

    Args:
        parent: an FP32 bundle of `xopt export`.
        dataset: its train split calibrates, the gate's split decides.
        out: the INT8 bundle's folder.
        settings: how to quantize.
        gate: what has to be kept.
        aware: whether layers return to floating point where plain INT8 does not pass; by default they do.
        force: replace bundles at `out` and `out`.rejected.

    Raises:
        RejectedError: the candidate did not pass; it is at `out`.rejected, and `out` was not written.
        BundleError: the bundle is no FP32 bundle of xopt.
        DataError, InputError: the dataset lacks a split, a class or an image.
        UsageError: settings that cannot work together.
        OutputError: `out` or `out`.rejected may not be written.
        DependencyError: nncf or scikit-learn is not installed.
    """
    need_quantize()
    how, margin = settings or QuantizeSettings(), gate or GateSettings()
    rejected = out.with_name(f"{out.name}.rejected")
    for place in (out, rejected):
        check_free(place, force=force)
        if place.resolve() == parent.path.resolve():
            raise UsageError(f"{place} is the bundle to be quantized; choose another --out")
    if parent.manifest.precision != "FP32":
        raise BundleError(f"{parent.path} is {parent.manifest.precision} already; quantize the FP32 bundle")
    split = gate_split(dataset, parent.manifest, margin)
    from ..export.openvino_ir import encode_ir, read_ir
    from .nncf_ptq import original_graph, quantize_model

    preprocessing = parent.manifest.preprocessing
    scored = Scored(split=split, preprocessing=preprocessing)
    check_fitted([parent], scored)
    clock = _Clock()
    model = read_ir(parent.read(MODEL), parent.read(WEIGHTS))
    features = partial(image_features, model, preprocessing)
    calibration = draw_calibration(
        dataset, how.calibration_size, seed=how.seed, sampling=how.sampling, features=features
    )
    calibration = leave_out_copies(calibration, [scored], preprocessing)
    images_NHW = load_images(calibration.images, preprocessing)
    clock.lap("calibration_images")
    quantized = quantize_model(model, images_NHW, preprocessing, how)
    xml, weights = encode_ir(quantized)
    candidate: Backend = OpenVINOBackend(xml, weights)
    clock.lap("quantize")
    peak = peak_memory_mb()
    reference = OpenVINOBackend(parent.read(MODEL), parent.read(WEIGHTS))
    asked = AskedGate(dataset.name, parent.manifest, split, reference, margin)
    result = asked.judge(candidate)
    clock.lap("gate")
    kept, rescued = rescue(
        original_graph(model, images_NHW, preprocessing, how),
        reference,
        Candidate(model=quantized, xml=xml, weights=weights, backend=candidate, gate=result),
        images_NHW,
        preprocessing,
        asked.judge,
        aware or AwareSettings(),
    )
    xml, weights, candidate, result = kept.xml, kept.weights, kept.backend, kept.gate
    if rescued is not None:
        clock.lap("accuracy_aware")
    maps = compare_gate_heatmaps(parent, (xml, weights), split, margin.heatmap_images)
    result = replace(result, heatmaps=maps)
    clock.lap("heatmaps")
    pictures_NHW = golden_pictures(preprocessing.size)
    onnx = OnnxForm(content=None, max_difference=None, reason="the network was smoothed, model.onnx was not")
    if how.smooth is None:
        onnx = make_onnx_form(parent, xml, weights, candidate, pictures_NHW, tolerance=GOLDEN_TOLERANCE)
    clock.lap("onnx")
    provenance = _provenance(parent, calibration, how, result, onnx, clock.seconds, peak, rescued)
    provenance["gate"][PIXELS] = joined(scored.pixels)
    manifest = replace(
        parent.manifest,
        name=bundle_name(out),
        precision="INT8",
        golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
        provenance=provenance,
    )
    files = {MODEL: xml, WEIGHTS: weights, GOLDEN: golden_images(candidate, preprocessing.size)}
    if onnx.content is not None:
        files[ONNX] = onnx.content
    passed = result.verdict.passed
    made = Quantized(
        bundle=write_bundle(out if passed else rejected, manifest, files, force=force),
        gate=result,
        calibration=calibration,
        onnx=onnx,
        seconds=clock.seconds,
        peak_memory_mb=peak,
        rescue=rescued,
    )
    if not passed:
        raise RejectedError(
            f"{out} was not written: {result.verdict.reason}{_tried(rescued)}; the candidate is kept at "
            f"{rejected}",
            made,
        )
    return made


def _tried(rescued: Rescue | None) -> str:
    if rescued is None:
        return ""
    return (
        f"; {len(rescued.returned)} layers in floating point did not help"
        if rescued.returned
        else (f"; {rescued.reason}")
    )


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


def compare_gate_heatmaps(
    parent: Bundle, candidate: tuple[bytes, bytes], split: Split, count: int
) -> HeatmapAgreement | None:
    """How alike the heatmaps of a bundle and of a candidate's IR are, over findings of a labelled split.

    Args:
        parent: the FP32 bundle.
        candidate: model.xml and model.bin, with the parent's preprocessing.
        split: that gates; `count` of its images with a finding are looked at, at most.
        count: 0 compares none.

    Returns:
        None where nothing was compared: no image has a finding, or the parent gives no activation maps.
    """
    shown = images_with_findings(split, count) if count else split.select([])
    if not len(shown) or len(parent.manifest.outputs) < 2:
        return None
    preprocessing = parent.manifest.preprocessing
    return compare_heatmaps(
        OpenVINOBackend(parent.read(MODEL), parent.read(WEIGHTS), maps=True),
        OpenVINOBackend(*candidate, maps=True),
        load_images(shown, preprocessing),
        shown.marked_labels,
        preprocessing,
    )


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._since, 2)
        self._since = now


def _provenance(
    parent: Bundle,
    calibration: CalibrationSet,
    settings: QuantizeSettings,
    gate: GateResult,
    onnx: OnnxForm,
    seconds: dict[str, float],
    peak: float | None,
    rescued: Rescue | None,
) -> dict[str, Any]:
    return {
        **ancestry(parent),
        "settings": settings.to_json(),
        "calibration": calibration.to_json(),
        "gate": gate.to_json(),
        "accuracy_aware": None if rescued is None else rescued.to_json(),
        "onnx": onnx.to_json(),
        "inference_precision": PRECISION_HINT,
        "seconds": seconds,
        "peak_memory_mb": None if peak is None else round(peak),
        "versions": tool_versions(),
    }
