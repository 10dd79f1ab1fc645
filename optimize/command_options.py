"""Options that commands of this floor share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

OutOption = Annotated[Path, typer.Option("--out", help="The bundle's folder.", metavar="BUNDLE")]


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """Options for what a bare weights file does not say of its network."""

    arch: Annotated[str | None, typer.Option(help="For a bare weights file: its architecture.")] = None
    classes: Annotated[
        str | None,
        typer.Option(
            help="For a bare weights file: a file with one class name a line, or nih14.", metavar="FILE"
        ),
    ] = None

    def class_names(self) -> tuple[str, ...] | None:
        """The name of each output; see `models.checkpoint.read_classes`."""
        from ..models.checkpoint import read_classes

        return None if self.classes is None else read_classes(self.classes)
