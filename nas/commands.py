"""xopt nas: search for the network, simulate a search on a table, describe a network."""

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.console import ForceOption, JsonOption, note, show
from .finals.commands import finish
from .search import commands as search
from .search.command_options import MaxMacsOption, MaxParametersOption

app = typer.Typer(no_args_is_help=True, help="Architecture search on measured quality and latency.")


@app.callback()
def _nas() -> None:
    """Architecture search on measured quality and latency."""


@app.command()
def simulate(
    table: Annotated[Path, typer.Argument(help="A tabular benchmark (JSON).", metavar="TABLE")],
    proposer: Annotated[
        str, typer.Option("--proposer", help="surrogate, thompson, random, evolution, tpe, gp or nsga2.")
    ] = "surrogate",
    budget: Annotated[int, typer.Option("--budget", min=1, help="Networks trained in a search.")] = 20,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Searches.")] = 100,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Networks in flight.")] = 1,
    noisy: Annotated[
        bool, typer.Option("--noisy", help="See one run's accuracy, be judged on the mean.")
    ] = False,
    durations: Annotated[
        str, typer.Option("--durations", help="What a training takes: flops or lognormal.")
    ] = "flops",
    upgrades_help: Annotated[
        bool,
        typer.Option(
            "--upgrades-help/--no-upgrades-help",
            help="Whether the surrogate may believe beforehand that larger is a little better.",
        ),
    ] = True,
    max_parameters: MaxParametersOption = None,
    max_macs: MaxMacsOption = None,
    json_target: JsonOption = None,
) -> None:
    """Repeat a search on a table of results: what a proposer finds, without training anything."""
    from .simulation import SimulationSettings
    from .simulation import simulate as run
    from .space import Limits

    simulated = run(
        table,
        SimulationSettings(
            proposer=proposer,
            budget=budget,
            seeds=seeds,
            workers=workers,
            noisy=noisy,
            durations=durations,
            upgrades_help=upgrades_help,
            limits=Limits(parameters=max_parameters, macs=max_macs),
        ),
    )
    show(simulated.to_text(), simulated.to_json(), json_target)


@app.command()
def describe(
    code: Annotated[
        str, typer.Argument(help="A network's digits, or its architecture name.", metavar="CODE")
    ],
    space: Annotated[str, typer.Option("--space", help="macro or xray.")] = "macro",
    classes: Annotated[int, typer.Option("--classes", min=1, help="Outputs.")] = 5,
    channels: Annotated[int, typer.Option("--channels", help="Input planes, 1 or 3.")] = 3,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Side of the input in pixels; 32 for macro, xray's codes say it."),
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Say what a network costs and which other codes it is, without building it."""
    from .description import describe as run

    described = run(code, space=space, classes=classes, channels=channels, size=size)
    show(described.to_text(), described.to_json(), json_target)


app.add_typer(search.app)


@app.command()
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
    from ..runtime.files import check_free
    from .description import make_space
    from .hardware.graphs import CHANNELS, GraphSettings
    from .hardware.latency_table import save_table
    from .hardware.measuring import TableSettings, measure_table

    check_free(out, force=force)
    graphs = GraphSettings(precision="INT8" if int8 else "FP32", threads=threads)
    note(f"exporting and measuring {networks} networks; about {_minutes(networks, int8=int8)} minutes")
    table = measure_table(
        make_space(space, classes=graphs.classes, channels=CHANNELS, size=size),
        graphs,
        TableSettings(networks=networks, rounds=rounds, seed=seed),
    )
    save_table(table, out, force=force)
    show(f"{table.to_text()}\n\ntable in {out}", {"table": str(out), **table.to_json()}, json_target)


def _minutes(networks: int, *, int8: bool) -> int:
    # Seconds to export, to quantize and to measure one small network on two cores.
    return max(1, round(networks * (7 + 2 * int8) / 60))


app.command()(finish)
