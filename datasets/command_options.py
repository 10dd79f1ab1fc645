"""Options of the commands that open a data source, or work in parallel."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ReadOptions

if TYPE_CHECKING:
    from .records import Dataset

SourceArgument = Annotated[
    Path, typer.Argument(help="A folder or file with labelled images.", metavar="SOURCE")
]
DataOption = Annotated[Path, typer.Option("--data", help="Labelled images.", metavar="SOURCE")]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="The data's format; recognised by what is there if not given."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="tcp://HOST:PORT of a Dask scheduler, or mpi; this machine by default."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Calls at a time; as many as CPUs or workers by default."),
]


@dataclass(frozen=True, kw_only=True)
class DataOptions(ReadOptions):
    """Options of reading a data source."""

    format: FormatOption = None

    def open(self, source: Path) -> "Dataset":
        """Open a source; see `datasets.open_source`."""
        from .sources import open_source

        return open_source(source, self.format, uncertain=self.uncertain, findings=self.findings)
