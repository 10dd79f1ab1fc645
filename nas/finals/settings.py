"""Settings of the finals, the end of a search; the fields that the command line sets are options."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...optimize.settings import GateSettings, QuantizeSettings
from ...runtime.errors import UsageError

if TYPE_CHECKING:
    from ..hardware.latency_table import LatencyTable

PICKS = ("best", "front")


@dataclass(frozen=True, kw_only=True)
class FinalsSettings:
    """Settings by which finalists are chosen, compared, and turned into a bundle."""

    finalists: Annotated[int, typer.Option(min=1, help="Candidates trained again.")] = 3
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 3
    """With seeds 1, 2, ... beyond the recipe's."""
    pick: Annotated[str, typer.Option(help="best values, or those on the front of value and latency.")] = (
        "best"
    )
    """best: the highest values of the search; front: the highest of those that no other candidate beats in
    both value and latency (parameters, where no latency is known)."""
    overrides: Annotated[
        tuple[str, ...],
        typer.Option("--set", help="Change the search's recipe for the finals.", metavar="KEY=VALUE"),
    ] = ()
    precision: Annotated[
        str | None,
        typer.Option(help="Precision of the bundle: int8 or fp32; as the latency table, or int8."),
    ] = None
    max_auc_drop: Annotated[
        float, typer.Option(help="Largest drop in mean AUC by INT8, by its 95 % upper bound.")
    ] = GateSettings.max_auc_drop
    calibration_size: Annotated[int, typer.Option(min=1, help="Calibration images, of the train split.")] = (
        QuantizeSettings.calibration_size
    )
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Latency limit of one image in ms, measured on this machine.")
    ] = None
    """A finalist that takes longer is dropped for the next."""
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of one inference; as the latency table, or 1.")
    ] = None
    resamples: int = 2000
    """Bootstrap replicates behind each interval."""

    def __post_init__(self) -> None:
        if self.precision is not None:
            object.__setattr__(self, "precision", self.precision.upper())
        if self.finalists < 1 or self.seeds < 1:
            raise UsageError(
                f"the finals need at least 1 finalist and 1 seed, got {self.finalists} and {self.seeds}"
            )
        if self.pick not in PICKS:
            raise UsageError(f"finalists are picked by one of {', '.join(PICKS)}, got {self.pick!r}")
        _check_precision(self.precision)
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise UsageError(f"--max-latency-ms must be above 0, got {self.max_latency_ms:g}")

    def fitted_to(self, table: "LatencyTable | None") -> "FinalsSettings":
        """With precision and threads filled in from a latency table.

        Raises:
            UsageError: the table is of another precision or number of threads than was asked for.
        """
        if table is None:
            return replace(self, precision=self.precision or "INT8", threads=self.threads or 1)
        found = (table.settings.precision, table.settings.threads)
        wanted = (self.precision or found[0], self.threads or found[1])
        if found != wanted:
            raise UsageError(
                f"the latency table is of {found[0]} on {found[1]} threads, the bundle is to be {wanted[0]} "
                f"on {wanted[1]}; measure one: xopt nas latency --out TABLE.json"
                f"{' --int8' if wanted[0] == 'INT8' else ''} --threads {wanted[1]}"
            )
        return replace(self, precision=found[0], threads=found[1])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "overrides": list(self.overrides)}


def _check_precision(precision: str | None) -> None:
    if precision is None:
        return
    from ..hardware.graphs import PRECISIONS

    if precision not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
