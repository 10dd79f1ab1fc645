"""Output of the commands: text for people, the same facts as JSON for machines, progress on a terminal."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from .files import write_file

T = TypeVar("T")

JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="[FILE.json]",
        help="The same facts as JSON: on stdout alone, or into FILE.json beside the text.",
    ),
]
"""`--json` alone arrives as "-", `--json FILE.json` as the file's name (see cli.normalise)."""

ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write a self-contained HTML page.", metavar="FILE.html")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is at --out.")]


def show(text: str, facts: dict[str, Any], json_target: str | None) -> None:
    """Print a command's result: `text`, or `facts` as JSON on stdout alone, or both with a JSON file.

    Raises:
        ValueError: `facts` hold a NaN or an infinity, which JSON does not have.
        OutputError: the JSON file cannot be written.
    """
    if json_target is None:
        print(text)
        return
    document = json.dumps(facts, indent=2, allow_nan=False)
    if json_target == "-":
        print(document)
        return
    # The machine-readable file is a by-product that scripts rewrite on each run.
    write_file(Path(json_target), document + "\n", force=True)
    print(text)


def note(text: str) -> None:
    """A remark beside the result, on stderr."""
    print(text, file=sys.stderr)


def progress(
    items: Iterable[T], *, label: str, total: int | None = None, unit: str | None = None
) -> Iterator[T]:
    """Iterate with a progress bar on stderr, shown only on a terminal; `unit` adds how many a second."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if unit is None or not task.speed else f"{task.speed:.0f} {unit}/s")

    columns = (*Progress.get_default_columns(), Rate())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, description=label, total=total)


def table(headings: list[str], rows: list[list[str]], *, left: int = 1) -> str:
    """Plain text table: the first `left` columns flush left, the others right; no colours, no borders."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]

    def line(cells: list[str]) -> str:
        aligned = (
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(headings), line(["-" * w for w in widths]), *map(line, rows)])
