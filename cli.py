"""The command line: composes each folder's commands, maps every XoptError to one line and an exit code."""

import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .benchmarks import commands as benchmarks
from .datasets import commands as datasets
from .nas import commands as nas
from .optimize import commands as optimize
from .runtime import commands as runtime
from .runtime.console import note
from .runtime.errors import XoptError
from .runtime.files import check_free
from .runtime.requires import conflict
from .train import commands as train

app = typer.Typer(
    name="xopt",
    help="Trained image classifiers to the edge: export, INT8 gated on AUC, small runtime, fair benchmarks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        _note_conflict()
        print(f"xopt {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback on errors (anywhere on the line).")
    ] = False,
) -> None:
    _note_conflict()


def _note_conflict() -> None:
    if found := conflict():
        note(f"xopt: {found}")


for commands in (optimize, runtime, benchmarks):
    app.add_typer(commands.app)
app.add_typer(train.app, name="train")
app.add_typer(datasets.app, name="data")
app.add_typer(nas.app, name="nas")


def normalise(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Split off `--debug`, and give a bare `--json` its value "-" (stdout).

    `--json` takes the next word only when that ends in .json, so `xopt score --json FILE.csv` means what
    it looks like.

    Returns:
        the arguments for typer, and whether tracebacks were asked for.
    """
    words = list(arguments)
    own = words[: words.index("--")] if "--" in words else words
    rest = words[len(own) :]
    debug = "--debug" in own
    own = [word for word in own if word != "--debug"]
    result: list[str] = []
    while own:
        word = own.pop(0)
        if word != "--json":
            result.append(word)
            continue
        takes_file = bool(own) and own[0].endswith(".json") and not own[0].startswith("-")
        result.append(f"--json={own.pop(0) if takes_file else '-'}")
    return result + rest, debug


def _check_json_target(arguments: Sequence[str]) -> None:
    # Before the work, not after it: a benchmark of ten minutes must not end in "exists already".
    for word in arguments:
        target = word.removeprefix("--json=")
        if target not in (word, "-"):
            check_free(Path(target), force="--force" in arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leaves through SystemExit: 0 done, 1 error, 2 wrong usage, 3 gate not passed."""
    # Pillow warns of damaged metadata; what matters of it is an InputError already.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    words, debug = normalise(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_json_target(words)
        app(args=words, prog_name="xopt")
    except XoptError as error:
        if debug:
            traceback.print_exc()
        print(f"xopt: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        print(
            f"xopt: internal error, {type(error).__name__}: {' '.join(str(error).split())}; "
            "run again with --debug and report it",
            file=sys.stderr,
        )
        sys.exit(1)
