"""xopt nas latency: measure the table of block latencies of this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ...runtime.console import ForceOption, JsonOption, note, show


def latency(
    out: Annotated[Path, typer.Option("--out", help="The table to write.", metavar="TABLE.json")],
    space: Annotated[str, typer.Option("--space", help="Whose networks: macro or xray.")] = "macro",
    size: Annotated[
        int | None,
        typer.Option("--size", min=8, help="Side of the input in pixels; 32 for macro, xray's codes say it."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Measure quantized networks.")] = False,
    threads: Annotated[
        int,
        typer.Option("--threads", min=1, help="Of one inference; 1 counts CPU time, more the wall clock."),
    ] = 1,
    networks: Annotated[int, typer.Option("--networks", min=8, help="Networks to export and measure.")] = 36,
    rounds: Annotated[int, typer.Option("--rounds", min=2, help="How often each is measured.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the networks.")] = 0,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Measure what blocks take on this machine, and how well sums of them predict whole networks.

    Networks of the space are exported with fresh weights, measured in turns, and block latencies are fitted
    to them. The table belongs to this machine, OpenVINO version, precision and number of threads.
    """
    from ...runtime.files import check_free
    from .graphs import GraphSettings
    from .measuring import TableSettings, measure_table, space_named
    from .summary import describe_table
    from .table import save_table

    check_free(out, force=force)
    graphs = GraphSettings(precision="INT8" if int8 else "FP32", threads=threads)
    note(f"exporting and measuring {networks} networks; about {_minutes(networks, int8=int8)} minutes")
    table = measure_table(
        space_named(space, size), graphs, TableSettings(networks=networks, rounds=rounds, seed=seed)
    )
    save_table(table, out, force=force)
    show(f"{describe_table(table)}\n\ntable in {out}", {"table": str(out), **table.to_json()}, json_target)


def _minutes(networks: int, *, int8: bool) -> int:
    # Seconds to export, to quantize and to measure one small network on two cores.
    return max(1, round(networks * (7 + 2 * int8) / 60))
