"""Options of every command that opens a data source."""

from typing import Annotated

import typer

UncertainOption = Annotated[
    str, typer.Option("--uncertain", help="What a label of -1 counts as: ignore, zeros or ones.")
]
FindingsOption = Annotated[
    str, typer.Option("--findings", help="Of CheXpert's findings: competition (five) or all (14).")
]
