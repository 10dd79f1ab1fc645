"""Settings of the finals, the end of a search."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from ...runtime.errors import UsageError
from ..hardware.graphs import PRECISIONS
from ..hardware.table import LatencyTable

PICKS = ("best", "front")


@dataclass(frozen=True, kw_only=True)
class FinalsSettings:
    """Settings by which finalists are chosen, compared, and turned into a bundle."""

    finalists: int = 3
    """Candidates that are trained again."""
    seeds: int = 3
    """Trainings of each, with seeds 1, 2, ... beyond the recipe's."""
    pick: str = "best"
    """best: the highest values of the search; front: the highest of those that no other candidate beats in
    both value and latency (parameters, where no latency is known)."""
    overrides: tuple[str, ...] = ()
    """Changes to the search's recipe, `key=value` each, such as more epochs."""
    precision: str | None = None
    """Of the bundle, one of PRECISIONS; None takes that of the latency table, or INT8."""
    max_auc_drop: float = 0.01
    """What the gate allows INT8 to lose."""
    calibration_size: int = 300
    """Images that INT8 is calibrated on."""
    max_latency_ms: float | None = None
    """Of the bundle, measured; a finalist that takes longer is dropped for the next."""
    threads: int | None = None
    """Of one inference, when it is measured; None takes that of the latency table, or 1."""
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
        if self.precision not in (None, *PRECISIONS):
            raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise UsageError(f"--max-latency-ms must be above 0, got {self.max_latency_ms:g}")

    def fitted_to(self, table: LatencyTable | None) -> "FinalsSettings":
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
