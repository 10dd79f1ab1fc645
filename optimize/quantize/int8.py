"""FP32 bundle to INT8 bundle: calibrate, quantize, and write only what passes the gate.

Shape suffixes: N images, C classes.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, load_images
from ...datasets.roles import PIXELS, Scored, check_fitted, joined
from ...runtime.backends.openvino import PRECISION_HINT, OpenVINOBackend
from ...runtime.bundle.bundle import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.doctor import cpu_features
from ...runtime.errors import BundleError, GateError, UsageError
from ...runtime.files import check_free
from ..export.export import GOLDEN_IMAGES, bundle_name, golden_images, golden_pictures, versions
from ..export.openvino_ir import encode_ir, from_onnx
from ..gate.evaluator import GateEvaluator, gate_split
from ..gate.gate import GateResult
from ..gate.image_copies import leave_out_copies
from ..libraries import need_quantize
from ..phase_times import Clock
from ..settings import GateSettings, QuantizeSettings
from .activations import image_features
from .calibration import CalibrationSet, draw_calibration
from .mixed_precision import AwareSettings, Candidate, MixedPrecision, return_harmful_layers
from .network import read_onnx
from .onnx_form import OnnxForm, make_onnx_form

if TYPE_CHECKING:
    import onnx

GOLDEN_TOLERANCE = 0.02
"""Kernels of another CPU round in other places, and one step of 8 bits is 1/255 of a layer's range: the same
graph in float arithmetic was at most 0.006 away from AVX2's integers (docs/decisions/0022)."""
_PARENT_PARTS = ("checkpoint", "alignment", "operating_points")
"""Parts of the parent's provenance that stay true: images that aligned a head or chose thresholds did so for
every bundle that is made of it."""


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The result of quantizing, passed or not."""

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
    mixed_precision: MixedPrecision | None = None
    """What the accuracy-aware path did; None where it had nothing to do."""


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
    _check_places(parent, (out, rejected), force=force)
    split = gate_split(dataset, parent.manifest, margin)
    scored = Scored(split=split, preprocessing=parent.manifest.preprocessing)
    check_fitted([parent], scored)
    clock = Clock()
    model = read_onnx(parent)
    calibration, images_NHW = _calibrate(model, dataset, scored, how)
    clock.lap("calibration_images")
    evaluator = GateEvaluator(dataset.name, parent, split, margin)
    best, mixed, peak = _best_candidate(model, images_NHW, evaluator, how, aware or AwareSettings(), clock)
    pictures_NHW = golden_pictures(parent.manifest.preprocessing.size)
    onnx = make_onnx_form(best.model, best.backend, pictures_NHW, tolerance=GOLDEN_TOLERANCE)
    clock.lap("onnx")
    evidence = _evidence(parent, calibration, how, best.gate, onnx, clock.seconds, peak, mixed, scored)
    place = out if best.gate.verdict.passed else rejected
    made = Quantized(
        bundle=_write(parent, place, bundle_name(out), best, onnx, evidence, force=force),
        gate=best.gate,
        calibration=calibration,
        onnx=onnx,
        seconds=clock.seconds,
        peak_memory_mb=peak,
        mixed_precision=mixed,
    )
    if place is rejected:
        reason = f"{best.gate.verdict.reason}{_tried(mixed)}"
        raise RejectedError(f"{out} was not written: {reason}; the candidate is kept at {rejected}", made)
    return made


def _check_places(parent: Bundle, places: tuple[Path, ...], *, force: bool) -> None:
    for place in places:
        check_free(place, force=force)
        if place.resolve() == parent.path.resolve():
            raise UsageError(f"{place} is the bundle to be quantized; choose another --out")
    if parent.manifest.precision != "FP32":
        raise BundleError(f"{parent.path} is {parent.manifest.precision} already; quantize the FP32 bundle")


def _calibrate(
    model: "onnx.ModelProto", dataset: Dataset, scored: Scored, how: QuantizeSettings
) -> tuple[CalibrationSet, NDArray[np.uint8]]:
    """The calibration set, and its images as uint8 (N, size, size)."""
    preprocessing = scored.preprocessing
    drawn = draw_calibration(
        dataset,
        how.calibration_size,
        seed=how.seed,
        sampling=how.sampling,
        features=partial(image_features, model, preprocessing),
    )
    calibration = leave_out_copies(drawn, [scored], preprocessing)
    return calibration, load_images(calibration.images, preprocessing)


def _best_candidate(
    model: "onnx.ModelProto",
    images_NHW: NDArray[np.uint8],
    evaluator: GateEvaluator,
    how: QuantizeSettings,
    aware: AwareSettings,
    clock: Clock,
) -> tuple[Candidate, MixedPrecision | None, float | None]:
    """The candidate to keep, what mixed precision did, and the most MB held up to the end of quantizing."""
    from .nncf_ptq import original_graph, quantize_model

    preprocessing = evaluator.parent.manifest.preprocessing
    quantized = quantize_model(model, images_NHW, preprocessing, how)
    xml, weights = encode_ir(from_onnx(quantized))
    backend = OpenVINOBackend(xml, weights)
    clock.lap("quantize")
    peak = peak_memory_mb()
    plain = Candidate(
        model=quantized, xml=xml, weights=weights, backend=backend, gate=evaluator.evaluate(backend)
    )
    clock.lap("gate")
    best, mixed = return_harmful_layers(
        original_graph(model, images_NHW, preprocessing, how),
        evaluator.reference,
        plain,
        images_NHW,
        preprocessing,
        evaluator.evaluate,
        aware,
    )
    if mixed is not None:
        clock.lap("accuracy_aware")
    maps = evaluator.compare_heatmaps(best.xml, best.weights)
    clock.lap("heatmaps")
    return replace(best, gate=replace(best.gate, heatmaps=maps)), mixed, peak


def _write(
    parent: Bundle,
    place: Path,
    name: str,
    candidate: Candidate,
    onnx: OnnxForm,
    evidence: dict[str, Any],
    *,
    force: bool,
) -> Bundle:
    manifest = replace(
        parent.manifest,
        name=name,
        precision="INT8",
        golden={"images": GOLDEN_IMAGES, "tolerance": GOLDEN_TOLERANCE},
        **evidence,
    )
    golden = golden_images(candidate.backend, parent.manifest.preprocessing.size)
    files = {MODEL: candidate.xml, WEIGHTS: candidate.weights, GOLDEN: golden}
    if onnx.content is not None:
        files[ONNX] = onnx.content
    return write_bundle(place, manifest, files, force=force)


def _tried(mixed: MixedPrecision | None) -> str:
    if mixed is None:
        return ""
    if mixed.returned:
        return f"; {len(mixed.returned)} layers in floating point did not help"
    return f"; {mixed.reason}"


def _evidence(
    parent: Bundle,
    calibration: CalibrationSet,
    settings: QuantizeSettings,
    gate: GateResult,
    onnx: OnnxForm,
    seconds: dict[str, float],
    peak: float | None,
    mixed: MixedPrecision | None,
    scored: Scored,
) -> dict[str, Any]:
    """The fields of the manifest that say how the bundle was made and what it was held against."""
    provenance = {
        **parent_provenance(parent),
        "settings": settings.to_json(),
        "accuracy_aware": None if mixed is None else mixed.to_json(),
        "onnx": onnx.to_json(),
        "inference_precision": PRECISION_HINT,
        "seconds": seconds,
        "peak_memory_mb": None if peak is None else round(peak),
        "versions": tool_versions(),
    }
    return {
        "calibration": calibration.to_json(),
        "gate": gate.to_json() | {PIXELS: joined(scored.pixels)},
        "instruction_sets": cpu_features(),
        "provenance": provenance,
    }


def parent_provenance(parent: Bundle) -> dict[str, Any]:
    """The FP32 bundle and what it was made of, as plain JSON values, for a manifest's provenance."""
    facts = parent.manifest.provenance
    return {
        "parent": {"name": parent.manifest.name, "digest": parent.digest},
        **{part: facts.get(part) for part in _PARENT_PARTS},
    }


def tool_versions() -> dict[str, str]:
    """Versions of what a quantized bundle was made with."""
    return versions("openvino", "nncf", "onnx", "onnxruntime", "numpy")


def peak_memory_mb() -> float | None:
    """The most memory this process has held so far, in MB (10^6 bytes); None where the system is silent."""
    try:
        # Linux's own figure; getrusage's is inherited from the parent process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
