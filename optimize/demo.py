"""`xopt demo`: the whole pipeline in a few minutes, on synthetic phantoms or on the user's own data."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import Dataset, open_source, phantoms
from ..runtime.classifier import Classifier
from ..runtime.console import progress
from ..runtime.files import check_free, write_file
from ..runtime.prediction import Answers, Picture, to_csv
from ..runtime.requires import need

if TYPE_CHECKING:
    from ..benchmarks.comparison import Comparison
    from ..runtime.bundle.bundle import Bundle

RECIPE = "phantoms"
MARKER = "demo.json"
"""Names the settings of a demo; a folder without it is never replaced."""
REPORT = "report.html"
_STEPS = ("data", "train", "export", "quantize", "predict", "bench")


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Settings of the demo."""

    source: Path | None = None
    """Labelled images with the splits train, val and test; None draws phantoms."""
    format: str | None = None
    """The source's format, where it is not recognised."""
    phantoms: int = 600
    """Phantoms to draw."""
    bench_images: int = 60
    """Test images that every variant answers in the benchmark."""
    max_auc_drop: float = 0.02
    """What the gate allows: a demo has few images, so its bound is wide. `xopt quantize` allows 0.01."""


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """The results of the demo, below one folder."""

    folder: Path
    comparison: "Comparison"
    seconds: dict[str, float]
    """Seconds per step."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "out": str(self.folder),
            "report": str(self.folder / REPORT),
            "seconds": self.seconds,
            "bench": self.comparison.to_json(),
        }


@dataclass(kw_only=True)
class _Clock:
    """Says and keeps how long each step takes."""

    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
        self.say(f"{len(self.seconds)}/{len(_STEPS)}  {name:<9} {self.seconds[name]:5.0f} s")


def demonstrate(
    out: Path,
    *,
    settings: DemoSettings,
    say: Callable[[str], None],
    force: bool = False,
) -> Demonstrated:
    """Data, training, export, INT8, predictions, benchmark and report; what each step made stays in `out`.

    Args:
        out: the folder to write.
        settings: what to run on.
        say: called with a line after each step.
        force: replace an earlier demo.

    Raises:
        OutputError: `out` may not be replaced, or the disk refused.
        GateError: INT8 lost more AUC than allowed.
        DataError, DependencyError: the source or the installation lacks something.
    """
    need("torch", "nncf", "onnx", "accelerate", "matplotlib", extra="all")
    _clear(out, settings, force=force)
    clock = _Clock(say=say)
    with clock.step("data"):
        dataset = _data(out, settings)
    with clock.step("train"):
        _train(out, dataset)
    with clock.step("export"):
        parent = _export(out, dataset)
    with clock.step("quantize"):
        _quantize(out, parent, dataset, settings)
    with clock.step("predict"):
        _predict(out, dataset)
    with clock.step("bench"):
        comparison = _bench(out, dataset, settings)
    return Demonstrated(folder=out, comparison=comparison, seconds=clock.seconds)


def describe(demo: Demonstrated) -> str:
    """The benchmark's table, where everything is, and what to try next."""
    from ..benchmarks.terminal import describe as describe_comparison

    out = demo.folder
    return f"""{describe_comparison(demo.comparison)}

{out / REPORT} shows it with plots; {out} holds the run, both bundles and the predictions.

Next, with your own checkpoint and images (docs/data.md says how to lay them out):
  xopt export CHECKPOINT --out fp32.xopt --crops ten
  xopt quantize fp32.xopt --data SOURCE --out int8.xopt
  xopt bench fp32.xopt int8.xopt --reference CHECKPOINT --data SOURCE --report report.html
Or all of the above on your images: xopt demo --data SOURCE --out DIR"""


def _clear(out: Path, settings: DemoSettings, *, force: bool) -> None:
    check_free(out, force=force, marker=MARKER)
    if out.is_dir():
        shutil.rmtree(out)
    out.mkdir()
    source = None if settings.source is None else str(settings.source)
    write_file(out / MARKER, json.dumps({"source": source, "phantoms": settings.phantoms}) + "\n")


def _data(out: Path, settings: DemoSettings) -> Dataset:
    if settings.source is not None:
        return open_source(settings.source, settings.format)
    phantoms.write(out / "phantoms", count=settings.phantoms)
    return open_source(out / "phantoms")


def _train(out: Path, dataset: Dataset) -> None:
    from ..train.loop import train
    from ..train.recipe import load_recipe

    train(dataset, load_recipe(RECIPE)).write(out / "run")


def _export(out: Path, dataset: Dataset) -> "Bundle":
    from ..models.checkpoint import load_checkpoint
    from .export.export import export_checkpoint

    return export_checkpoint(load_checkpoint(out / "run"), out / "fp32.xopt", dataset=dataset).bundle


def _quantize(out: Path, parent: "Bundle", dataset: Dataset, settings: DemoSettings) -> None:
    from .quantize.int8 import quantize_bundle
    from .settings import GateSettings, QuantizeSettings

    gate = GateSettings(max_auc_drop=settings.max_auc_drop)
    quantize_bundle(parent, dataset, out / "int8.xopt", settings=QuantizeSettings(), gate=gate)


def _predict(out: Path, dataset: Dataset) -> None:
    split = dataset.split("test")
    pictures = [Picture(name=name, path=Path(name)) for name in split.images]
    with Classifier.load(out / "int8.xopt") as classifier:
        answered = classifier.stream_all(split.source(index) for index in range(len(split)))
        pairs = zip(pictures, answered, strict=True)
        answers = Answers.gather(progress(pairs, label="Predicting", total=len(split)))
        table = to_csv(answers, classifier.manifest.classes)
    write_file(out / "predictions.csv", table)


def _bench(out: Path, dataset: Dataset, settings: DemoSettings) -> "Comparison":
    from ..benchmarks.comparison import compare
    from ..benchmarks.report import render
    from ..benchmarks.settings import BenchSettings
    from ..benchmarks.variants import Reference

    count = min(settings.bench_images, len(dataset.split("test")))
    comparison = compare(
        [out / "fp32.xopt", out / "int8.xopt"],
        dataset,
        reference=Reference(path=str(out / "run")),
        settings=BenchSettings(images=count),
    )
    write_file(out / REPORT, render(comparison))
    write_file(out / "bench.json", json.dumps(comparison.to_json(), indent=2, allow_nan=False) + "\n")
    return comparison
