"""The winner becomes a bundle: exported, quantized behind the gate, measured, and scored on the test split.

    bundles/NAME-fp32.xopt  bundles/NAME-int8.xopt    what the best training of a finalist became
    test.json  test.npz                               the one look at the test split

Shape suffixes: N images, C classes.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.scoring import Scores, score
from ...datasets import Dataset, load_images
from ...models.checkpoint import load_checkpoint
from ...optimize.export.export import export_checkpoint
from ...optimize.quantize.int8 import quantize_bundle
from ...optimize.settings import ExportSettings, GateSettings, QuantizeSettings
from ...runtime.backends.openvino import OpenVINOBackend
from ...runtime.bundle.bundle import MODEL, WEIGHTS, Bundle
from ...runtime.classifier import Classifier
from ...runtime.console import progress
from ...runtime.errors import BundleError
from ...runtime.files import write_file
from ..hardware.finalist_latency import RealLatency, Stopwatch
from .settings import FinalsSettings

TEST = "test"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """The test split, looked at with one bundle."""

    scores: Scores
    probabilities_NC: NDArray[np.float64]
    """In the split's order."""
    looks: int
    """How many different bundles have been scored on this split from this folder: 1 is a clean test."""


def make_bundle(run: Path, dataset: Dataset, folder: Path, settings: FinalsSettings) -> Bundle:
    """Export a training's network, and quantize it unless FP32 is wanted; what is there already is kept.

    Args:
        run: its run folder.
        dataset: train calibrates, val gates.
        folder: for the bundles.
        settings: precision and gate.

    Raises:
        RejectedError: INT8 lost more than the gate allows; the candidate is kept as NAME-int8.xopt.rejected.
        XoptError: it cannot be exported or quantized.
    """
    checkpoint = load_checkpoint(run)
    place = folder / f"{checkpoint.architecture}-fp32.xopt"
    parent = _made_before(place, "checkpoint", "sha256", checkpoint.digest)
    if parent is None:
        crops = ExportSettings(crops="center")
        parent = export_checkpoint(checkpoint, place, settings=crops, dataset=dataset, force=True).bundle
    if settings.precision == "FP32":
        return parent
    place = folder / f"{checkpoint.architecture}-int8.xopt"
    gate = GateSettings(max_auc_drop=settings.max_auc_drop)
    how = QuantizeSettings(calibration_size=settings.calibration_size)
    known = _made_before(place, "parent", "digest", parent.digest)
    if known is not None:
        made = known.manifest
        gated_with = (made.part("gate").get("max_auc_drop"), made.part("calibration").get("asked"))
        if gated_with == (gate.max_auc_drop, how.calibration_size):
            return known
    return quantize_bundle(parent, dataset, place, settings=how, gate=gate, force=True).bundle


def measure_bundle(bundle: Bundle, stopwatch: Stopwatch, *, predicted_ms: float | None) -> RealLatency:
    """Measure the latency of a bundle on this machine."""
    threads = stopwatch.settings.threads
    backend = OpenVINOBackend(bundle.read(MODEL), bundle.read(WEIGHTS), threads=threads)
    return stopwatch.measure([backend], [predicted_ms])[0]


def score_once(bundle: Bundle, dataset: Dataset, folder: Path) -> Tested | None:
    """Score a bundle on the test split; the same bundle is answered from what was kept.

    Returns:
        the scores, or None where the data has no test split.

    Raises:
        DataError, InputError: an image cannot be had.
    """
    if TEST not in dataset.splits:
        return None
    split = dataset.split(TEST)
    record = _read_record(folder / "test.json")
    seen: list[list[str]] = record.get("seen", [])
    look = [bundle.digest, split.digest]
    answers_NC = _kept_answers(folder, look) if look in seen else None
    if answers_NC is None:
        answers_NC = _answer(bundle, dataset)
        content = io.BytesIO()
        np.savez(content, probabilities=answers_NC, look=np.array(look))
        write_file(folder / "test.npz", content.getvalue(), force=True)
    if look not in seen:
        seen = [*seen, look]
        write_file(folder / "test.json", json.dumps({"seen": seen}, indent=2) + "\n", force=True)
    scores = score(split, dataset.classes, answers_NC)
    return Tested(
        scores=scores, probabilities_NC=answers_NC, looks=sum(other[1] == split.digest for other in seen)
    )


def _answer(bundle: Bundle, dataset: Dataset) -> NDArray[np.float64]:
    split = dataset.split(TEST)
    with Classifier.load(bundle.path) as classifier:
        images_NHW = load_images(split, classifier.manifest.preprocessing)
        answers = [classifier.infer(i) for i in progress(images_NHW, label="test", total=len(images_NHW))]
    return np.stack(answers).astype(np.float64)


def _made_before(place: Path, part: str, key: str, digest: str) -> Bundle | None:
    """The bundle at `place`, if it was made from what has this digest and is whole."""
    if not place.is_dir():
        return None
    try:
        bundle = Bundle.open(place)
    except BundleError:
        return None
    source = bundle.manifest.provenance.get(part) or {}
    return bundle if source.get(key) == digest else None


def _read_record(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _kept_answers(folder: Path, look: list[str]) -> NDArray[np.float64] | None:
    try:
        with np.load(folder / "test.npz") as stored:
            if stored["look"].tolist() != look:
                return None
            answers_NC: NDArray[np.float64] = stored["probabilities"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    return answers_NC
