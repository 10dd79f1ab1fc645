"""The output of export and quantize: lines for people, the same facts for machines."""

from pathlib import Path
from typing import Any

from ..benchmarks.latency import in_words
from ..datasets.roles import without_pixels
from ..runtime.bundle.bundle import Bundle
from .export.export import Exported
from .gate.gate import GateResult
from .gate.per_class import describe_findings
from .quantize.calibration import CalibrationSet
from .quantize.int8 import Quantized
from .quantize.mixed_precision import MixedPrecision
from .quantize.onnx_form import OnnxForm

_WORST = 6
"""Layers that are named in a line."""


def describe_export(made: Exported) -> str:
    """A few lines about an export."""
    manifest, parity = made.bundle.manifest, made.parity
    images = parity.images
    where = images.source + (f" ({images.split})" if images.split else "")
    size = manifest.preprocessing.size
    lines = [
        f"{made.bundle.path}: FP32, {manifest.preprocessing.crops} crops of a {size} x {size} image, "
        f"{len(manifest.classes)} classes, {size_mb(made.bundle):.1f} MB",
        f"parity   {parity.max_difference:.1e} from PyTorch, on {len(images.images_NHW)} images of {where}",
        *_agreement(made),
        f"time     {_times(made.seconds)}",
        f"digest   {made.bundle.digest}",
        f"next     xopt quantize {made.bundle.path} --data SOURCE --out {_int8_name(made.bundle.path)}",
    ]
    return "\n".join(lines)


def _agreement(made: Exported) -> list[str]:
    exact, alignment = made.parity.exact, made.alignment
    if exact is None:
        return []
    head = "head     as it was trained; give --data with a train split to align it to this plan"
    if alignment is not None:
        head = (
            f"head     aligned on {len(alignment.images)} images of {alignment.dataset} "
            f"({alignment.images.name}), without their labels: logits differ from the exact windows' by "
            f"{alignment.error_held_out:.2f} rms on images held out, {alignment.error_before:.2f} before"
        )
    return [
        head,
        f"plan     probabilities differ from the exact {exact.plan}-crop's by {exact.mean_difference:.4f} on "
        f"average, {exact.max_difference:.4f} at most",
    ]


def export_facts(made: Exported) -> dict[str, Any]:
    """The same as plain JSON values."""
    manifest = made.bundle.manifest
    return {
        "bundle": str(made.bundle.path),
        "digest": made.bundle.digest,
        "precision": manifest.precision,
        "crops": manifest.preprocessing.crops,
        "classes": list(manifest.classes),
        "size_mb": size_mb(made.bundle),
        "checkpoint": manifest.provenance["checkpoint"],
        "parity": made.parity.to_json(),
        "alignment": None if made.alignment is None else without_pixels(made.alignment.to_json()),
        "seconds": made.seconds,
    }


def describe_quantized(made: Quantized, parent: Bundle) -> str:
    """A few lines about a quantized bundle that passed."""
    gate, calibration = made.gate, made.calibration
    passed, drop = gate.describe()
    short = f" ({calibration.asked} asked for)" if len(calibration.images) < calibration.asked else ""
    peak = "" if made.peak_memory_mb is None else f"; peak memory {made.peak_memory_mb / 1000:.1f} GB"
    apart = "none of a patient in another split"
    if not calibration.images.patients_known:
        apart = "none of them in another split (patients are not known)"
    drawn = "" if calibration.sampling == "stratified" else f", {_drawn(calibration)}"
    copies = f"; {calibration.copies} copies of images that gate left out" if calibration.copies else ""
    lines = [
        f"{made.bundle.path}: INT8, {size_mb(made.bundle):.1f} MB (FP32: {size_mb(parent):.1f} MB)",
        f"calibrated on {len(calibration.images)} images of {calibration.dataset} ({calibration.images.name})"
        f"{short}{drawn}, {apart}{copies}",
        f"gate     {passed}",
        f"         {drop}",
        f"findings {_findings(gate)}",
        *describe_mixed_precision(made.mixed_precision),
        f"heatmaps {_heatmaps(gate)}",
        f"onnx     {_onnx(made.onnx)}",
        f"time     {_times(made.seconds)}{peak}",
        f"digest   {made.bundle.digest}",
    ]
    return "\n".join(lines)


def quantized_facts(made: Quantized, parent: Bundle) -> dict[str, Any]:
    """The same as plain JSON values, also for a candidate that did not pass."""
    manifest = made.bundle.manifest
    provenance = manifest.provenance
    return {
        "bundle": str(made.bundle.path),
        "passed": made.gate.verdict.passed,
        "digest": made.bundle.digest,
        "parent": parent.digest,
        "size_mb": size_mb(made.bundle),
        "parent_size_mb": size_mb(parent),
        "calibration": {
            key: value
            for key, value in without_pixels(manifest.part("calibration")).items()
            if key != "images"
        },
        "settings": provenance["settings"],
        "gate": without_pixels(manifest.part("gate")),
        "accuracy_aware": provenance["accuracy_aware"],
        "onnx": provenance["onnx"],
        "seconds": made.seconds,
        "peak_memory_mb": provenance["peak_memory_mb"],
    }


def _findings(gate: GateResult) -> str:
    """The largest drop of a single finding, how many were kept where they were gated, and what flips."""
    flips = sum(finding.operating.decisions.flips for finding in gate.findings)
    count = gate.verdict.drop.images * len(gate.findings)
    drops = [(finding.drop.drop, finding.name) for finding in gate.findings if finding.drop is not None]
    worst, name = max(drops)
    gated = "not gated one by one"
    if gate.settings.max_class_auc_drop is not None:
        gated = f"{describe_findings(gate.findings)}, allowed {gate.settings.max_class_auc_drop:.4f} each"
    return f"{gated}; largest drop {worst:+.4f} ({name}); {flips} of {count} decisions change"


def describe_mixed_precision(mixed: MixedPrecision | None) -> list[str]:
    """Lines on what returned to floating point, and what that cost."""
    if mixed is None:
        return []
    lines = [f"layers   {mixed.reason}"]
    if not mixed.returned:
        worst = ", ".join(f"{effect.name} {effect.error:.3f}" for effect in mixed.effects[:_WORST])
        return [*lines, f"         most harmful, by their logits' error: {worst}"] if worst else lines
    by_name = {effect.name: effect for effect in mixed.effects}
    shown = [f"{name} ({by_name[name].error:.3f})" for name in mixed.returned[:_WORST]]
    more = len(mixed.returned) - len(shown)
    lines.append(f"         returned: {', '.join(shown)}{f' and {more} more' if more else ''}")
    if mixed.logit_rms is not None:
        before, after = mixed.logit_rms
        lines.append(f"         error of the logits {before:.3f} -> {after:.3f} on calibration images")
    if mixed.latency_ms is not None:
        fp32, int8, result = (mixed.latency_ms[name] for name in ("fp32", "int8", "result"))
        kept = mixed.kept_speedup
        share = "INT8 is no faster here" if kept is None else f"{kept:.0%} of INT8's gain kept"
        lines.append(
            f"latency  {in_words(result.median)} ms ({in_words(result.p10)} to {in_words(result.p90)}); "
            f"plain INT8 {in_words(int8.median)}, FP32 {in_words(fp32.median)}; {share}"
        )
    return lines


def _drawn(calibration: CalibrationSet) -> str:
    """A clause on how the images were chosen, where labels did not decide."""
    ways = {"random": "drawn at random from", "farthest": "the farthest points among"}
    return f"{ways[calibration.sampling]} {calibration.candidates}"


def _heatmaps(gate: GateResult) -> str:
    maps = gate.heatmaps
    if maps is None:
        return "not compared"
    return (
        f"correlate by {maps.correlation_median:.3f} (median; 10th percentile {maps.correlation_p10:.3f}), "
        f"the same peak in {maps.pointing_agreement:.0%}, over {maps.maps} findings of {maps.images} images"
    )


def _onnx(form: OnnxForm) -> str:
    if form.content is None:
        return f"none, the engine openvino alone runs this bundle: {form.reason}"
    return (
        f"the same for ONNX Runtime, {len(form.content) / 1e6:.1f} MB; probabilities differ by at most "
        f"{form.max_difference:.2g} on the golden images"
    )


def size_mb(bundle: Bundle) -> float:
    """Size on disk of the graph that a device loads, model.xml and model.bin, in MB (10^6 bytes)."""
    return round(sum(bundle.manifest.files[name].size for name in ("model.xml", "model.bin")) / 1e6, 3)


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{phase.replace('_', ' ')} {value:.1f} s" for phase, value in seconds.items())


def _int8_name(path: Path) -> Path:
    stem = path.name.removesuffix(".xopt").removesuffix("-fp32")
    return path.with_name("int8.xopt" if stem == "fp32" else f"{stem}-int8.xopt")
