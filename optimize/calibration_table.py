"""What each choice of calibration does to one bundle.

    python -m xopt.optimize.calibration_table BUNDLE --data SOURCE

One factor at a time around the defaults of `xopt quantize`: each row is quantized anew and answers for the
same images as the FP32 bundle. Logits tell the rows apart, since a drop in AUC of this size is mostly noise.
With `--rows FILE` finished rows are kept, and not measured again when the script is started once more.

Shape suffixes: N images, C classes, F figures.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ..benchmarks.bootstrap import paired_auc_drop
from ..datasets import Dataset, Split, load_images, open_source
from ..runtime.bundle import MODEL, WEIGHTS, Bundle
from ..runtime.console import note, progress, table
from ..runtime.openvino_backend import OpenVINOBackend
from .calibration import POOL, CalibrationSet, draw_calibration, stratified_sample
from .coverage import covering_radius, image_ranges, range_covered, standardized
from .gate import GateSettings
from .int8 import gate_split
from .quantize import QuantizeSettings

if TYPE_CHECKING:
    import openvino

CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "smoothed, 0.5": {"smooth": 0.5},
    "farthest points": {"sampling": "farthest"},
    "no bias correction": {"bias_correction": "none"},
    "farthest, no correction": {"sampling": "farthest", "bias_correction": "none"},
    "mixed preset": {"preset": "mixed"},
    "random": {"sampling": "random"},
    "mean of extremes": {"activation_range": "mean"},
    "30 images": {"calibration_size": 30},
    "30 farthest points": {"calibration_size": 30, "sampling": "farthest"},
    "another seed": {"seed": 1},
    "300 images": {"calibration_size": 300},
    "300, no correction": {"calibration_size": 300, "bias_correction": "none"},
    "histogram": {"activation_range": "histogram"},
    "accurate bias correction": {"bias_correction": "accurate"},
}
"""Each row, and how it differs from the defaults of `xopt quantize`."""
_LARGEST_LOGIT = 16.0
"""Probabilities are float32: beyond this they are 0 or 1 to the last digit."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One choice, and what it did."""

    name: str
    settings: dict[str, Any]
    images: int
    """Calibration images."""
    radius: float
    """Covering radius of the images drawn among the candidates' activations (coverage.covering_radius)."""
    range_covered: float
    """How much of the candidates' ranges the images drawn span, 0..1."""
    seconds: float
    """Wall time of quantizing, without reading images and without the activations of farthest points."""
    cpu_seconds: float
    """The same in CPU seconds of all threads."""
    logit_rms: float
    """Root mean square difference of logits from FP32."""
    logit_max: float
    """Largest difference of a logit from FP32."""
    auc_drop: float
    """Drop in mean AUC from FP32."""
    auc_drop_ci: tuple[float, float]
    """Its 95 % interval, from resampled patients."""


class Bench:
    """One FP32 bundle, the images that score and the candidates for calibration, each looked at once.

    Args:
        bundle: an FP32 bundle.
        dataset: its train split calibrates, `split` scores.
        split: the split that scores.
        images: score only so many of them, drawn stratified; None scores all.
        candidates: how many images could calibrate, drawn stratified.

    Raises:
        DataError, InputError: the dataset lacks a split, a class or an image.
        BundleError: the bundle is not one of ours.
    """

    def __init__(
        self, bundle: Bundle, dataset: Dataset, *, split: str, images: int | None, candidates: int = POOL
    ) -> None:
        from .ir import read_ir

        whole = gate_split(dataset, bundle.manifest, GateSettings(split=split))
        count = len(whole) if images is None else min(images, len(whole))
        self.split = whole.select(stratified_sample(whole.labels_NC, count, seed=0))
        self.bundle, self.dataset = bundle, dataset
        self.preprocessing = bundle.manifest.preprocessing
        self.model: openvino.Model = read_ir(bundle.read(MODEL), bundle.read(WEIGHTS))
        self.scored_NHW = load_images(self.split, self.preprocessing)
        reference = OpenVINOBackend(bundle.read(MODEL), bundle.read(WEIGHTS))
        self.reference_NC = _answers(reference, self.scored_NHW, "FP32")
        self.pool = draw_calibration(dataset, candidates).images
        self.ranges_NF = image_ranges(self.model, self.preprocessing, self.pool)

    def measure(self, name: str, settings: QuantizeSettings) -> Row:
        """Quantize under one choice and compare with FP32."""
        from .ir import encode_ir
        from .quantize import quantize_model

        drawn = draw_calibration(
            self.dataset,
            settings.calibration_size,
            seed=settings.seed,
            sampling=settings.sampling,
            features=lambda images: standardized(self._ranges(images)),
            pool=len(self.pool),
        )
        radius, covered = self._coverage(drawn)
        images_NHW = load_images(drawn.images, self.preprocessing)
        wall, cpu = time.perf_counter(), time.process_time()
        xml, weights = encode_ir(quantize_model(self.model, images_NHW, self.preprocessing, settings))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        answers_NC = _answers(OpenVINOBackend(xml, weights), self.scored_NHW, name)
        difference_NC = logits(answers_NC) - logits(self.reference_NC)
        drop = paired_auc_drop(
            self.split.marked_labels,
            self.reference_NC.astype(np.float64),
            answers_NC.astype(np.float64),
            self.split.patients,
        )
        return Row(
            name=name,
            settings=settings.to_json(),
            images=len(drawn.images),
            radius=radius,
            range_covered=covered,
            seconds=round(wall, 1),
            cpu_seconds=round(cpu, 1),
            logit_rms=float(np.sqrt(np.square(difference_NC).mean())),
            logit_max=float(np.abs(difference_NC).max()),
            auc_drop=drop.drop,
            auc_drop_ci=(drop.lower, drop.upper),
        )

    def _coverage(self, drawn: CalibrationSet) -> tuple[float, float]:
        """Radius and share of ranges covered, among the pool and the images drawn."""
        place = {image: index for index, image in enumerate(self.pool.images)}
        beyond = [i for i, image in enumerate(drawn.images.images) if image not in place]
        ranges_NF = self.ranges_NF
        if beyond:
            ranges_NF = np.concatenate([ranges_NF, self._ranges(drawn.images.select(beyond))])
            place |= {drawn.images.images[i]: len(place) + k for k, i in enumerate(beyond)}
        chosen = [place[image] for image in drawn.images.images]
        return covering_radius(standardized(ranges_NF), chosen), range_covered(ranges_NF, chosen)

    def _ranges(self, images: Split) -> NDArray[np.float32]:
        place = {image: index for index, image in enumerate(self.pool.images)}
        if all(image in place for image in images.images):
            return self.ranges_NF[[place[image] for image in images.images]]
        return image_ranges(self.model, self.preprocessing, images)


def logits(probabilities_NC: NDArray[np.float32]) -> NDArray[np.float64]:
    """log(p / (1 - p)), held within 16 on both sides."""
    p = probabilities_NC.astype(np.float64)
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return found.clip(-_LARGEST_LOGIT, _LARGEST_LOGIT)


def measure_all(
    bench: Bench, choices: Mapping[str, Mapping[str, Any]], *, calibration_size: int, kept: Path | None
) -> list[Row]:
    """Measure every choice, or take it from `kept`, a file of finished rows, which grows row by row.

    Args:
        bench: what is measured on.
        choices: each row's name, and its settings beside the defaults.
        calibration_size: images, where a choice says nothing else.
        kept: a file of JSON lines; None keeps nothing.
    """
    rows = []
    known = _read_rows(bench, kept)
    for name, changes in choices.items():
        settings = QuantizeSettings(**{"calibration_size": calibration_size, **changes})
        row = known.get(json.dumps(settings.to_json()))
        if row is None:
            row = bench.measure(name, settings)
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps({"key": _key(bench), **asdict(row)}) + "\n")
        # A kept row may stand under the name of another with the same settings.
        rows.append(replace(row, name=name))
        note(f"{name}: {row.cpu_seconds:.0f} CPU s, logits {row.logit_rms:.3f} rms")
    return rows


def describe(rows: Sequence[Row]) -> str:
    """The table."""
    headings = [
        "",
        "images",
        "radius",
        "ranges",
        "CPU s",
        "logits rms",
        "largest",
        "AUC drop",
        "95 % interval",
    ]
    cells = [
        [
            row.name,
            str(row.images),
            f"{row.radius:.1f}",
            f"{row.range_covered:.0%}",
            f"{row.cpu_seconds:.0f}",
            f"{row.logit_rms:.3f}",
            f"{row.logit_max:.2f}",
            f"{row.auc_drop:+.4f}",
            f"{row.auc_drop_ci[0]:+.4f} to {row.auc_drop_ci[1]:+.4f}",
        ]
        for row in rows
    ]
    return table(headings, cells)


def _answers(backend: OpenVINOBackend, images_NHW: NDArray[np.uint8], label: str) -> NDArray[np.float32]:
    return np.stack([backend.infer(i) for i in progress(images_NHW, label=label, total=len(images_NHW))])


def _key(bench: Bench) -> list[str]:
    """What a row was measured on: only then does it stand for another run's."""
    return [bench.bundle.digest, bench.split.digest, bench.pool.digest]


def _read_rows(bench: Bench, kept: Path | None) -> dict[str, Row]:
    if kept is None or not kept.exists():
        return {}
    names = {field.name for field in fields(Row)}
    found = {}
    for line in kept.read_text().splitlines():
        facts = json.loads(line)
        if facts["key"] == _key(bench):
            row = Row(**{name: facts[name] for name in names})
            found[json.dumps(row.settings)] = row
    return found


def main(
    bundle: Annotated[Path, typer.Argument(help="An FP32 bundle.", metavar="BUNDLE")],
    data: Annotated[Path, typer.Option("--data", help="Labelled images.", metavar="SOURCE")],
    split: Annotated[str, typer.Option("--split", help="The split that scores.")] = "val",
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="Score so many images; all by default.")
    ] = None,
    calibration_size: Annotated[
        int, typer.Option("--calibration-size", min=1, help="Images, where a row says nothing else.")
    ] = 300,
    candidates: Annotated[
        int, typer.Option("--candidates", min=1, help="How many images could calibrate.")
    ] = POOL,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A row to measure; may be given again; all by default.")
    ] = None,
    kept: Annotated[
        Path | None, typer.Option("--rows", help="Keeps finished rows, to go on later.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """Quantize a bundle under each choice of calibration, and compare with FP32."""
    unknown = [name for name in only or () if name not in CHOICES]
    if unknown:
        raise typer.BadParameter(f"there is no row {unknown[0]!r}; rows are {', '.join(CHOICES)}")
    choices = {name: changes for name, changes in CHOICES.items() if not only or name in only}
    bench = Bench(Bundle.open(bundle), open_source(data), split=split, images=images, candidates=candidates)
    rows = measure_all(bench, choices, calibration_size=calibration_size, kept=kept)
    if as_json:
        facts = {"split": split, "images": len(bench.split), "candidates": len(bench.pool)}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(describe(rows))
    print(f"\n{len(bench.split)} images of {split} score, {len(bench.pool)} could calibrate")


if __name__ == "__main__":
    typer.run(main)
