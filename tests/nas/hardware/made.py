"""A latency table made up: predictions without a measurement."""

from dataclasses import replace

from xopt.nas.hardware.blocks import BlockLatencies
from xopt.nas.hardware.graphs import GraphSettings
from xopt.nas.hardware.latency_table import LatencyTable, Measured, this_machine

CODES = ("00000000", "10000000", "12122122", "22222222")


def made_table(*, errors=(0.02, -0.01, 0.05, 0.0), **changes) -> LatencyTable:
    """A table of this machine whose networks were slower than predicted by `errors`."""
    predicted = [0.5, 0.7, 2.5, 3.0]
    table = LatencyTable(
        space="macro",
        settings=GraphSettings(),
        machine=this_machine(),
        blocks=BlockLatencies(
            fixed_ms=0.1, rates_ms=(0.01, 0.04, 0.2, 0.05, 0.0, 0.001), corrections_ms={"3x3 1>32 @32": 0.05}
        ),
        networks=tuple(
            Measured(
                code=code, architecture=f"macro-{code}", size=32, latency_ms=ms * (1 + e), predicted_ms=ms
            )
            for code, ms, e in zip(CODES, predicted, errors, strict=True)
        ),
        shapes={"3x3 1>32 @32": 0.08},
        rounds=100,
        repeat_error=0.01,
        disturbance=0.2,
    )
    return replace(table, **changes)
