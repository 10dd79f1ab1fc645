"""xopt train: a recipe and a data source become a run folder; xopt train compare: runs side by side."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..datasets.command_options import DataOptions
from ..runtime.console import ForceOption, JsonOption, ReportOption, note, show
from ..runtime.options import with_options

if TYPE_CHECKING:
    from ..datasets import Dataset
    from .recipe import Recipe

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The settings of a training."""

    recipe: Annotated[
        str | None,
        typer.Option(
            help="A recipe's name or file (an unknown name lists all); with --resume the run's.",
            metavar="NAME_OR_FILE",
        ),
    ] = None
    overrides: Annotated[
        tuple[str, ...],
        typer.Option("--set", help="Change one setting; may be repeated.", metavar="KEY=VALUE"),
    ] = ()
    pretrained: Annotated[
        bool | None,
        typer.Option("--pretrained/--no-pretrained", help="Start from ImageNet weights, or do not."),
    ] = None

    def load(self, run: Path | None) -> "Recipe":
        """The recipe asked for, or that of the run to resume.

        Raises:
            UsageError: there is neither, or a setting does not fit.
        """
        from ..runtime.errors import UsageError
        from .recipe import load_recipe

        words = list(self.overrides)
        if self.pretrained is not None:
            words.append(f"pretrained={str(self.pretrained).lower()}")
        if self.recipe is not None:
            return load_recipe(self.recipe, words)
        if run is not None and (run / "recipe.toml").is_file():
            return load_recipe(run / "recipe.toml", words)
        raise UsageError("xopt train needs --recipe NAME_OR_FILE (xopt train --help)")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of starting, resuming and saving a run."""

    resume: Annotated[bool, typer.Option("--resume", help="Go on with RUN where it stood, or begin it.")] = (
        False
    )
    checkpoint_every: Annotated[
        str, typer.Option(help="How often to save where it stands, as 500steps or 2epochs.")
    ] = "1epoch"
    weights: Annotated[
        Path | None, typer.Option(help="Start from a checkpoint, run or weights file.", metavar="FILE")
    ] = None
    teacher: Annotated[
        Path | None,
        typer.Option(help="Learn a bundle's or checkpoint's answers beside the labels.", metavar="TEACHER"),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or hpu.")] = "auto"


@app.callback(invoke_without_command=True)
@with_options
def train(
    *,
    context: typer.Context,
    settings: RecipeOptions,
    data: Annotated[Path | None, typer.Option("--data", help="Labelled images.", metavar="SOURCE")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder to write.", metavar="RUN")] = None,
    options: RunOptions,
    reading: DataOptions,
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Print the settings as TOML, and do nothing else.")
    ] = False,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Train a network on the split train; the epoch that does best on the split val is kept, or the last.

    The recipe is a small TOML file; the extra called train must be installed.
    Started by torchrun, accelerate launch or mpirun, the processes share the work.
    """
    if context.invoked_subcommand is not None:
        return
    from ..runtime.errors import UsageError

    if settings.pretrained and options.weights is not None:
        raise UsageError("--pretrained and --weights both say where to start from; give one of them")
    recipe = settings.load(out if options.resume else None)
    if print_recipe:
        print(recipe.to_toml(), end="")
        return
    if data is None or out is None:
        raise UsageError("xopt train needs --data SOURCE and --out RUN")
    _train(recipe, data, reading, out, options, force=force, json_target=json_target)


def _train(
    recipe: "Recipe",
    data: Path,
    reading: DataOptions,
    out: Path,
    options: RunOptions,
    *,
    force: bool,
    json_target: str | None,
) -> None:
    from ..runtime.errors import TrainingError
    from .comparing import read_run
    from .distributed import launched
    from .loop import train as run
    from .page import write_page
    from .results import Display
    from .run_checkpointer import Interval

    every = Interval.parse(options.checkpoint_every)
    leads = launched()[0] == 0
    dataset = reading.open(data)
    if leads:
        _warn_of_overlaps(dataset)
    try:
        trained = run(
            dataset,
            recipe,
            report=Display(recipe.epochs).show,
            run=out,
            resume=options.resume,
            force=force,
            checkpoint_every=every,
            weights=options.weights,
            teacher=options.teacher,
            device=options.device,
        )
    except TrainingError:
        if leads:
            _show_what_is_done(out)
        raise
    if leads:
        if remark := write_page(out, read_run(out)):
            note(remark)
        text = f"{trained.to_text()}\n\nrun in {out}; next: xopt export {out} --out {out.name}.xopt"
        show(text, {"run": str(out), **trained.to_json()}, json_target)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; the first is the reference.")],
    report: ReportOption = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Compare runs: time, time per epoch and step, accuracy, AUC, and how many times faster each is."""
    from ..runtime.files import check_free, write_file
    from .comparing import compare_runs
    from .page import comparison_page

    if report is not None:
        check_free(report, force=force)
    comparison = compare_runs(runs)
    if report is not None:
        write_file(report, comparison_page(comparison), force=force)
    show(comparison.to_text(), comparison.to_json(), json_target)


def _show_what_is_done(run: Path) -> None:
    from ..runtime.errors import CheckpointError, OutputError
    from .comparing import read_run
    from .page import write_page

    # Without an epoch there is nothing to draw; a full disk has been told of already.
    with suppress(CheckpointError, OutputError):
        write_page(run, read_run(run))


def _warn_of_overlaps(dataset: "Dataset") -> None:
    from ..datasets import find_overlaps

    for overlap in find_overlaps(dataset):
        if set(overlap.splits) == {"train", "val"}:
            note(f"warning: {overlap}; the val AUC will look better than it is")
