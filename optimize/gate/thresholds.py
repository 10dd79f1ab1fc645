"""Operating points: from which probability on a class counts as found, chosen on images, kept in a bundle.

Shape suffixes: N images, C classes.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, Split, load_images
from ...datasets.roles import PIXELS, Scored, check_fitted, joined
from ...metrics.operating_points import RULES, OperatingPoint, Rule, calibration_error, choose
from ...metrics.scores import class_metrics
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.bundle.bundle import GOLDEN, MODEL, ONNX, WEIGHTS, Bundle, write_bundle
from ...runtime.bundle.golden import encode_golden, read_golden
from ...runtime.bundle.manifest import OUTPUT, Manifest
from ...runtime.console import progress, table
from ...runtime.errors import BundleError, DataError, UsageError
from ...runtime.files import check_free
from ..export.export import bundle_name
from ..libraries import need_quantize
from ..quantize.calibration import TRAIN
from .evaluator import label_columns
from .temperature import (
    apply_temperature,
    fit_temperature,
    negative_log_likelihood,
    scale_onnx,
    scale_openvino,
)

PROVENANCE = "operating_points"
# Float32 logarithms of probabilities near 1 round in other places than numpy's float64.
_AGREEMENT = 1e-5


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    """Settings of choosing thresholds."""

    rule: Rule = "youden"
    """One of metrics.operating_points.RULES."""
    target: float = 0.9
    """The sensitivity or specificity wanted, 0..1; youden has none."""
    temperature: bool = False
    """Also fit a temperature and put it into the graph, so that probabilities mean what they say."""
    split: str = "val"
    """The split whose labels decide."""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(f"--rule must be one of {', '.join(RULES)}, got {self.rule!r}")
        if not 0 < self.target <= 1:
            raise UsageError(f"--target must be in (0, 1], got {self.target}")
        if self.split == TRAIN:
            raise UsageError(f"the network has seen the {TRAIN} split; choose thresholds on another --split")


@dataclass(frozen=True, kw_only=True)
class Operated:
    """A bundle with its operating points."""

    bundle: Bundle
    settings: ThresholdSettings
    points: dict[str, OperatingPoint | None]
    """Per class; None where the split lacks one of its labels, and the threshold stays."""
    temperature: float | None
    facts: dict[str, Any]
    """What the manifest records."""


def set_thresholds(
    parent: Bundle,
    dataset: Dataset,
    out: Path,
    *,
    settings: ThresholdSettings | None = None,
    force: bool = False,
) -> Operated:
    """Choose the thresholds of a bundle's classes on labelled images, and write the bundle anew with them.

    Args:
        parent: any bundle, FP32 or INT8.
        dataset: holds the settings' split, with the bundle's classes.
        out: the folder of the new bundle.
        settings: rule, target, temperature, split.
        force: replace a bundle at `out`.

    Raises:
        DataError: no such split, other classes, no class with both labels, or images that calibrated.
        BundleError: the graph cannot be scaled.
        OutputError: `out` may not be written.
        UsageError: `out` is the bundle itself.
    """
    need_quantize()
    how, manifest = settings or ThresholdSettings(), parent.manifest
    check_free(out, force=force)
    if out.resolve() == parent.path.resolve():
        raise UsageError(f"{out} is the bundle itself; choose another --out")
    split = label_columns(dataset, dataset.split(how.split), manifest)
    scored = Scored(split=split, preprocessing=manifest.preprocessing)
    check_fitted([parent], scored)
    images_NHW = load_images(split, manifest.preprocessing)
    files = {name: parent.read(name) for name in (MODEL, WEIGHTS, ONNX, GOLDEN) if parent.has(name)}
    before_NC = _answer(files, images_NHW, split)
    exclusive = manifest.task == "multi-class"
    temperature = (
        fit_temperature(split.marked_labels, before_NC, exclusive=exclusive) if how.temperature else None
    )
    after_NC = before_NC
    if temperature is not None:
        files = _scaled(parent, files, temperature, exclusive=exclusive)
        # Of the graph that will be asked, whose float32 may put two images in one place.
        after_NC = _answer(files, images_NHW, split)
    points = {
        name: choose(split.marked_labels[:, c], after_NC[:, c], how.rule, how.target)
        for c, name in enumerate(manifest.classes)
    }
    if not any(points.values()):
        raise DataError(
            f"split {split.name} has no class with both positive and negative images, so there is nothing to "
            "choose a threshold by; use another --split"
        )
    facts = _facts(dataset, split, how, points, temperature, (before_NC, after_NC), manifest)
    facts[PIXELS] = joined(scored.pixels)
    bundle = write_bundle(out, _with_points(manifest, bundle_name(out), points, facts), files, force=force)
    return Operated(bundle=bundle, settings=how, points=points, temperature=temperature, facts=facts)


def _with_points(
    manifest: Manifest, name: str, points: dict[str, OperatingPoint | None], facts: dict[str, Any]
) -> Manifest:
    chosen = {name: min(1.0, point.threshold) for name, point in points.items() if point is not None}
    return replace(
        manifest,
        name=name,
        thresholds=manifest.thresholds | chosen,
        provenance=manifest.provenance | {PROVENANCE: facts},
        files={},
    )


def describe(made: Operated) -> str:
    """The thresholds as a table, and what the temperature changed."""
    rows = []
    for name, point in made.points.items():
        kept = made.bundle.manifest.thresholds[name]
        if point is None:
            rows.append([name, f"{kept:.4f}", "-", "-"])
            continue
        rows.append([name, f"{kept:.4f}", f"{point.sensitivity:.3f}", f"{point.specificity:.3f}"])
    facts = made.facts
    asked = f"{made.settings.rule} at least {made.settings.target:g}"
    if made.settings.rule == "youden":
        asked = "youden's index"
    lines = [
        f"{made.bundle.path}: thresholds by {asked}, on {facts['images']} images of split {facts['split']}",
        table(["", "threshold", "sensitivity", "specificity"], rows),
        "sensitivity and specificity are those of the images that chose: expect a little less elsewhere",
    ]
    if untold := [name for name, point in made.points.items() if point is None]:
        lines.append(f"unchanged, without both labels there: {', '.join(untold)}")
    if made.temperature is not None:
        before, after = facts["before"], facts["after"]
        lines.append(
            f"temperature {made.temperature:.3f}: expected calibration error {_number(before)} -> "
            f"{_number(after)}, negative log-likelihood {before['negative_log_likelihood']:.4f} -> "
            f"{after['negative_log_likelihood']:.4f}"
        )
    return "\n".join([*lines, f"digest   {made.bundle.digest}"])


def _number(facts: dict[str, float | None]) -> str:
    value = facts["calibration_error"]
    return "-" if value is None else f"{value:.4f}"


def _answer(files: dict[str, bytes], images_NHW: NDArray[np.uint8], split: Split) -> NDArray[np.float32]:
    backend = OpenVINOBackend(files[MODEL], files[WEIGHTS])
    label = f"answers on {split.name}"
    return np.stack([backend.infer(image) for image in progress(images_NHW, label=label, total=len(split))])


def _scaled(
    parent: Bundle, files: dict[str, bytes], temperature: float, *, exclusive: bool
) -> dict[str, bytes]:
    """The files of a bundle whose graphs are at a temperature, tried on the golden images."""
    from ..export.openvino_ir import encode_ir, read_ir

    model = scale_openvino(read_ir(files[MODEL], files[WEIGHTS]), OUTPUT, temperature, exclusive=exclusive)
    xml, weights = encode_ir(model)
    images_NHW, _ = read_golden(parent)
    old = OpenVINOBackend(files[MODEL], files[WEIGHTS])
    new = OpenVINOBackend(xml, weights)
    answers_NC = np.stack([new.infer(image) for image in images_NHW])
    wanted_NC = apply_temperature(
        np.stack([old.infer(image) for image in images_NHW]), temperature, exclusive=exclusive
    )
    scaled = {MODEL: xml, WEIGHTS: weights, GOLDEN: encode_golden(images_NHW, answers_NC)}
    _check("model.xml", answers_NC, wanted_NC)
    if ONNX in files:
        scaled[ONNX] = scale_onnx(files[ONNX], OUTPUT, temperature, exclusive=exclusive)
        _check_onnx(files[ONNX], scaled[ONNX], images_NHW, temperature, exclusive=exclusive)
    return scaled


def _check_onnx(
    before: bytes, after: bytes, images_NHW: NDArray[np.uint8], temperature: float, *, exclusive: bool
) -> None:
    from ...runtime.backends.onnxruntime import OnnxRuntimeBackend

    old, new = OnnxRuntimeBackend(before), OnnxRuntimeBackend(after)
    wanted_NC = np.stack([old.infer(image) for image in images_NHW])
    answers_NC = np.stack([new.infer(image) for image in images_NHW])
    _check("model.onnx", answers_NC, apply_temperature(wanted_NC, temperature, exclusive=exclusive))


def _check(name: str, answers_NC: NDArray[np.float32], wanted_NC: NDArray[np.float64]) -> None:
    found = float(np.abs(answers_NC - wanted_NC).max())
    if not found <= _AGREEMENT:
        raise BundleError(
            f"{name} at a temperature differs from what it should answer by {found:.2g}, allowed is "
            f"{_AGREEMENT:.0e}; choose thresholds without --temperature"
        )


def _facts(
    dataset: Dataset,
    split: Split,
    settings: ThresholdSettings,
    points: dict[str, OperatingPoint | None],
    temperature: float | None,
    answers: tuple[NDArray[np.float32], NDArray[np.float32]],
    manifest: Manifest,
) -> dict[str, Any]:
    exclusive = manifest.task == "multi-class"
    before, after = (
        {
            "calibration_error": calibration_error(split.marked_labels.ravel(), answer_NC.ravel()),
            "negative_log_likelihood": negative_log_likelihood(
                split.marked_labels, answer_NC, exclusive=exclusive
            ),
        }
        for answer_NC in answers
    )
    f1 = {
        name: None
        if point is None
        else class_metrics(split.marked_labels[:, c], answers[1][:, c], threshold=point.threshold).f1
        for c, (name, point) in enumerate(points.items())
    }
    return {
        "rule": settings.rule,
        "target": None if settings.rule == "youden" else settings.target,
        "data": dataset.name,
        "split": split.name,
        "digest": split.digest,
        "images": len(split),
        "patients": len(set(split.patients)),
        "temperature": temperature,
        "before": before,
        "after": after,
        "classes": {
            name: None if point is None else {**asdict(point), "f1": f1[name]}
            for name, point in points.items()
        },
    }
