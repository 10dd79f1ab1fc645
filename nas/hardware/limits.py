"""Limits on what a search may propose: closed-form costs, and latency as a table predicts it."""

from collections.abc import Callable
from dataclasses import dataclass

from ...runtime.errors import UsageError
from ..space import Limits, Space
from .latency_table import LatencyTable


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Latencies of the networks of a space."""

    space: Space
    table: LatencyTable

    def predict_latency_ms(self, code: str) -> float:
        """Milliseconds for one image on the table's machine; nothing is built.

        Raises:
            UsageError: not a code of the space.
        """
        return self.table.predict_ms(self.space.architecture(code), self.space.input_size(code))


@dataclass(frozen=True, kw_only=True)
class LatencyLimit:
    """At most so many milliseconds, with room for the table's error.

    A network is allowed where its predicted latency and the margin together are within the limit, so that
    nine of ten that are allowed also meet it when they are measured.
    """

    predictor: Predictor
    max_latency_ms: float
    margin: float | None = None
    """Room above the prediction, relative; None takes the table's own margin."""

    def __post_init__(self) -> None:
        if not self.max_latency_ms > 0:
            raise UsageError(f"--max-latency-ms must be above 0, got {self.max_latency_ms:g}")
        if self.margin is not None and not self.margin >= 0:
            raise UsageError(f"the latency margin must be at least 0, got {self.margin:g}")

    @property
    def predicted_up_to_ms(self) -> float:
        """The largest prediction that is allowed."""
        margin = self.predictor.table.margin if self.margin is None else self.margin
        return self.max_latency_ms / (1 + margin)

    def __call__(self, code: str) -> bool:
        """Check a canonical code against the limit."""
        return self.predictor.predict_latency_ms(code) <= self.predicted_up_to_ms


def allowed(
    space: Space, limits: Limits | None = None, latency: LatencyLimit | None = None
) -> Callable[[str], bool]:
    """The check of a `Problem`: within the closed-form limits, and fast enough.

    Raises:
        UsageError: not even the smallest network is within them; the message says what it takes.
    """
    closed = limits or Limits()

    def check(code: str) -> bool:
        return closed.allow(space.cost(code)) and (latency is None or latency(code))

    _check_smallest(space, check, latency)
    return check


def _check_smallest(space: Space, check: Callable[[str], bool], latency: LatencyLimit | None) -> None:
    smallest = space.canonical("0" * len(space.choices))
    if check(smallest):
        return
    cost = space.cost(smallest)
    takes = f"{cost.parameters:,} parameters, {cost.macs:,} MACs"
    if latency is not None:
        takes += f", {latency.predictor.predict_latency_ms(smallest):.3g} ms"
        takes += f" (allowed with the table's margin: {latency.predicted_up_to_ms:.3g} ms)"
    raise UsageError(f"no network is within the limits: the smallest, {smallest}, takes {takes}; allow more")
