"""xopt train: a recipe and a data source become a run folder."""

from pathlib import Path
from typing import Annotated

import typer

from ..datasets.command_options import FindingsOption, UncertainOption
from ..runtime.console import ForceOption, JsonOption, note, show

app = typer.Typer()


@app.command()
def train(
    recipe_name: Annotated[
        str, typer.Option("--recipe", help="A recipe's name, or a TOML file.", metavar="NAME_OR_FILE")
    ],
    data: Annotated[Path | None, typer.Option("--data", help="Labelled images.", metavar="SOURCE")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder to write.", metavar="RUN")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    data_format: Annotated[
        str | None, typer.Option("--format", help="The data's format; recognised if not given.")
    ] = None,
    uncertain: UncertainOption = "ignore",
    findings: FindingsOption = "competition",
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Print the settings as TOML, and do nothing else.")
    ] = False,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Train a network on the split train, keeping the epoch that does best on the split val.

    The recipe is a small TOML file; the extra called train must be installed.
    """
    from ..runtime.errors import UsageError
    from .recipe import load_recipe

    recipe = load_recipe(recipe_name, settings or ())
    if print_recipe:
        print(recipe.to_toml(), end="")
        return
    if data is None or out is None:
        raise UsageError("xopt train needs --data SOURCE and --out RUN")

    from ..datasets import find_overlaps, open_source
    from ..runtime.files import check_free
    from .checkpoints import CARD
    from .loop import train as run
    from .results import Epoch

    check_free(out, force=force, marker=CARD)
    dataset = open_source(data, data_format, uncertain=uncertain, findings=findings)
    for overlap in find_overlaps(dataset):
        if set(overlap.splits) == {"train", "val"}:
            note(f"warning: {overlap}; the val AUC will look better than it is")

    def report(epoch: Epoch) -> None:
        note(f"epoch {epoch.epoch}/{recipe.epochs}: {epoch}")

    trained = run(dataset, recipe, report=report)
    trained.write(out, force=force)
    text = f"{trained.to_text()}\n\nrun in {out}; next: xopt export {out} --out {out.name}.xopt"
    show(text, {"run": str(out), **trained.to_json()}, json_target)
