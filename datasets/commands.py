"""xopt data: what a data source holds, and synthetic phantoms."""

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.console import ForceOption, JsonOption, note, show

app = typer.Typer(no_args_is_help=True, help="Data sources: what they hold, and synthetic phantoms.")


@app.command()
def stats(
    source: Annotated[Path, typer.Argument(help="A folder or file with labelled images.", metavar="SOURCE")],
    data_format: Annotated[
        str | None,
        typer.Option("--format", help="The format's name; recognised by what is there if not given."),
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Count images, patients and the positives of each class, split by split.

    Patients that stand in two splits are named. Labels are read, images are not opened.
    """
    from .sources import open_source
    from .statistics import gather_statistics

    statistics = gather_statistics(open_source(source, data_format))
    show(statistics.to_text(), statistics.to_json(), json_target)
    for overlap in statistics.overlaps:
        note(f"warning: {overlap}")


@app.command()
def phantoms(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="DIR")],
    images: Annotated[int, typer.Option("--images", min=20, max=100_000, help="How many images.")] = 600,
    size: Annotated[int, typer.Option("--size", min=32, max=4096, help="Side of an image, in pixels.")] = 256,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same images.")] = 0,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Draw synthetic chest phantoms: a labelled source to try everything on, with no patient in it."""
    from .phantoms import write
    from .sources import open_source
    from .statistics import gather_statistics

    write(out, count=images, seed=seed, size=size, force=force)
    statistics = gather_statistics(open_source(out))
    text = f"{statistics.to_text()}\n\n{images} synthetic phantoms in {out}; next: xopt train --data {out}"
    facts = {"synthetic": True, "path": str(out), "seed": seed, "size": size, **statistics.to_json()}
    show(text, facts, json_target)
