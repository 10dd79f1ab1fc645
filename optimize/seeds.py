"""A recipe over several seeds, from training to the bundle's answers: mean and spread, not one lucky run.

    python -m xopt.optimize.seeds pneumonia28.npz --recipe pneumonia-cnn --out seeds

Every seed is trained, exported and given its thresholds on `val`, as the commands `xopt train`, `export` and
`thresholds` would; then its bundle answers `test`, once. What is done already is read when the same call is
made again, and a training that was killed is resumed.

Shape suffixes: N images, C classes.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from numpy.typing import NDArray

from ..benchmarks.metrics import class_metrics, mean_metrics
from ..benchmarks.operating import Rule
from ..datasets import Dataset, Split, load_images, open_source
from ..runtime.bundle import MODEL, WEIGHTS, Bundle
from ..runtime.console import note
from ..runtime.errors import DataError, UsageError, XoptError
from ..runtime.files import make_folder, write_file
from ..runtime.openvino_backend import OpenVINOBackend
from ..train.checkpoints import load_checkpoint
from ..train.loop import train
from ..train.recipe import Recipe, load_recipe
from .export import ExportSettings, export_checkpoint
from .int8 import label_columns
from .seed_results import METRICS, SeedResult, Seeds
from .thresholds import ThresholdSettings, set_thresholds

RESULT = "result.json"
_RUN, _FP32, _BUNDLE, _ANSWERS = "run", "fp32.xopt", "bundle.xopt", "test.csv"


@dataclass(frozen=True, kw_only=True)
class SeedSettings:
    """What follows each training."""

    crops: str = "center"
    """The bundle's crop plan."""
    thresholds: ThresholdSettings = field(default_factory=ThresholdSettings)
    """How the bundle's thresholds are chosen."""
    split: str = "test"
    """The split that is answered; not the one that chose the thresholds."""

    def __post_init__(self) -> None:
        if self.split == self.thresholds.split:
            raise UsageError(f"split {self.split} chose the thresholds; answer another one")


def run_seeds(
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    seeds: int = 5,
    settings: SeedSettings | None = None,
    device: str = "auto",
    report: Callable[[SeedResult], None] | None = None,
) -> Seeds:
    """Train a recipe with the seeds 0, 1, ... and answer a split with each one's bundle.

    Args:
        dataset: has the splits train, val and the one to answer.
        recipe: all settings; its own seed is not used.
        out: a folder, made if it is not there; `out/seed-N` holds run, bundles, answers and result.
        seeds: how many, at least 1.
        settings: crop plan, thresholds, split.
        device: one of train.processes.DEVICES.
        report: called after each seed.

    Raises:
        UsageError: `out` holds a seed of another recipe, of other data or settings.
        DataError, InputError, TrainingError, OutputError, DependencyError: as `train`, `export_checkpoint`
            and `set_thresholds`.
    """
    if seeds < 1:
        raise UsageError(f"at least 1 seed is needed, got {seeds}")
    how = settings or SeedSettings()
    # Before the first hours of training.
    dataset.split(how.thresholds.split), dataset.split(how.split)
    make_folder(out)
    results = []
    for seed in range(seeds):
        results.append(_one_seed(dataset, replace(recipe, seed=seed), out / f"seed-{seed}", how, device))
        if report is not None:
            report(results[-1])
    return Seeds(results=tuple(results))


def _one_seed(
    dataset: Dataset, recipe: Recipe, folder: Path, settings: SeedSettings, device: str
) -> SeedResult:
    identity = _identity(dataset, recipe, settings)
    if (done := _read(folder / RESULT, identity)) is not None:
        return done
    make_folder(folder)
    run = folder / _RUN
    begun, started = run.exists(), time.process_time()
    trained = train(dataset, recipe, run=run, resume=True, device=device)
    cpu_s = None if begun else time.process_time() - started
    fp32 = export_checkpoint(
        load_checkpoint(run),
        folder / _FP32,
        settings=ExportSettings(crops=settings.crops),
        dataset=dataset,
        force=True,
    ).bundle
    bundle = set_thresholds(fp32, dataset, folder / _BUNDLE, settings=settings.thresholds, force=True).bundle
    split = label_columns(dataset, dataset.split(settings.split), bundle.manifest)
    answers_NC = _answer(bundle, split)
    _write_answers(folder / _ANSWERS, split, bundle.manifest.classes, answers_NC)
    result = SeedResult(
        seed=recipe.seed,
        seconds=sum(epoch.seconds for epoch in trained.history),
        cpu_s=cpu_s,
        best_epoch=trained.best.epoch,
        val_auc=trained.best.val_auc,
        thresholds=dict(bundle.manifest.thresholds),
        metrics=_judge(split, answers_NC, bundle),
        bundle=bundle.digest,
    )
    facts = {"identity": identity, "result": asdict(result)}
    write_file(folder / RESULT, json.dumps(facts, indent=2) + "\n", force=True)
    return result


def _identity(dataset: Dataset, recipe: Recipe, settings: SeedSettings) -> dict[str, Any]:
    """What a finished seed must have in common with the call that finds it, as JSON values."""
    names = ("train", settings.thresholds.split, settings.split)
    facts = {
        "recipe": asdict(recipe),
        "settings": asdict(settings),
        "labels": {name: dataset.split(name).digest for name in names},
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _read(path: Path, identity: dict[str, Any]) -> SeedResult | None:
    """The result of a seed that is done; None where it is not.

    Raises:
        UsageError: it is another training's.
        DataError: it is no result of this xopt.
    """
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        found, result = facts["identity"], SeedResult(**facts["result"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no result of this xopt ({error}); remove its folder") from error
    if found != identity:
        changed = ", ".join(sorted(key for key in identity if found.get(key) != identity[key]))
        raise UsageError(f"{path.parent} is a seed with other {changed}; choose another --out")
    return result


def _answer(bundle: Bundle, split: Split) -> NDArray[np.float32]:
    """Probabilities float32 (N, C) of a split's images, by the bundle's graph."""
    backend = OpenVINOBackend(bundle.read(MODEL), bundle.read(WEIGHTS))
    images_NHW = load_images(split, bundle.manifest.preprocessing)
    return np.stack([backend.infer(image_HW) for image_HW in images_NHW])


def _judge(split: Split, answers_NC: NDArray[np.float32], bundle: Bundle) -> dict[str, float | None]:
    thresholds = bundle.manifest.thresholds
    metrics = [
        class_metrics(split.marked_labels[:, c], answers_NC[:, c], threshold=thresholds[name])
        for c, name in enumerate(bundle.manifest.classes)
    ]
    means = mean_metrics(metrics)
    return {name: means[name] for name in METRICS}


def _write_answers(
    path: Path, split: Split, classes: tuple[str, ...], answers_NC: NDArray[np.float32]
) -> None:
    """As `xopt score` reads them."""
    rows = (
        ",".join([image, *(f"{value:.9g}" for value in answers_C)])
        for image, answers_C in zip(split.images, answers_NC, strict=True)
    )
    write_file(path, "\n".join([",".join(["image", *classes]), *rows]) + "\n", force=True)


def main(
    data: Annotated[Path, typer.Argument(help="Images with train, val and test.", metavar="SOURCE")],
    out: Annotated[Path, typer.Option(help="The folder of all seeds.", metavar="FOLDER")],
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a TOML file.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value of the recipe.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many: 0, 1, ...")] = 5,
    crops: Annotated[str, typer.Option(help="The bundles' crop plan.")] = "center",
    rule: Annotated[str, typer.Option(help="How thresholds are chosen on val.")] = "sensitivity",
    target: Annotated[float, typer.Option(help="Of the rules sensitivity and specificity.")] = 0.99,
    split: Annotated[str, typer.Option(help="The split to answer.")] = "test",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or hpu.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Train the seeds that are not done yet, and show them all."""
    try:
        thresholds = ThresholdSettings(rule=cast(Rule, rule), target=target)
        done = run_seeds(
            open_source(data),
            load_recipe(recipe, changes or ()),
            out,
            seeds=seeds,
            settings=SeedSettings(crops=crops, thresholds=thresholds, split=split),
            device=device,
            report=lambda result: note(f"seed {result.seed} is done"),
        )
    except XoptError as error:
        note(f"xopt: {error}")
        raise typer.Exit(error.exit_code) from error
    print(json.dumps(done.to_json(), indent=2) if as_json else done.to_text())


if __name__ == "__main__":
    typer.run(main)
