"""Options of the commands that open a data source, or work in parallel."""

from pathlib import Path
from typing import Annotated

import typer

SourceArgument = Annotated[
    Path, typer.Argument(help="A folder or file with labelled images.", metavar="SOURCE")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="The format's name; recognised by what is there if not given."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="tcp://HOST:PORT of a Dask scheduler, or mpi; this machine by default."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Calls at a time; as many as CPUs or workers by default."),
]
UncertainOption = Annotated[
    str, typer.Option("--uncertain", help="What a label of -1 counts as: ignore, zeros or ones.")
]
FindingsOption = Annotated[
    str, typer.Option("--findings", help="Of CheXpert's findings: competition (five) or all (14).")
]
