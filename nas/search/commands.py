"""xopt nas search and xopt nas show."""

from pathlib import Path
from typing import Annotated

import typer

from ...runtime.console import ForceOption, JsonOption, note, show
from ...runtime.options import with_options
from .command_options import BundleOptions, SearchOptions, StorageOption

app = typer.Typer()


@app.command()
@with_options
def search(
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder of the search.", metavar="DIR")],
    asked: SearchOptions,
    final: BundleOptions,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in --out; options not given stay.")
    ] = False,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Search for the network that does best on the split val, several candidates at a time.

    Killed at any moment, it goes on with --resume: no candidate that ended is lost, none is trained again.
    """
    from ...runtime.errors import UsageError
    from ...runtime.files import check_free
    from ..finals.finish_search import finals_of, finish_and_show
    from .display import watched
    from .factory import check_names, make_proposer, make_space
    from .interrupts import Interrupts
    from .options import settings_of
    from .run import search as run

    if final.report is not None and final.bundle is None:
        raise UsageError("--report is of a finished search; add --bundle BUNDLE")
    for target in (final.bundle, final.report):
        if target is not None:
            check_free(target, force=force)
    wanted = settings_of(asked, out, resume=resume)
    check_names(wanted)
    finals = finals_of(wanted, final)
    with Interrupts().caught() as interrupts, watched(wanted.budget.candidates) as watcher:
        found = run(
            wanted,
            out,
            make_space=make_space,
            make_proposer=make_proposer,
            resume=resume,
            force=force,
            watcher=watcher,
            interrupts=interrupts,
        )
    if final.bundle is not None and finals is not None and interrupts.signal is None:
        finish_and_show(
            found, final.bundle, settings=finals, report=final.report, force=force, json_target=json_target
        )
        return
    show(found.to_text(), found.to_json(), json_target)
    if interrupts.signal is not None:
        note(f"interrupted; what ended is kept, go on with: xopt nas search --out {out} --resume")
        raise typer.Exit(128 + interrupts.signal)


@app.command("show")
def show_search(
    folder: Annotated[Path, typer.Argument(help="The --out of a search.", metavar="SEARCH")],
    storage: StorageOption = None,
    json_target: JsonOption = None,
) -> None:
    """The candidates of a search, what is running, and the best one; also while it searches."""
    from .result import read_search

    found = read_search(folder, storage=storage)
    show(found.to_text(), found.to_json(), json_target)
