"""xopt nas: search for the network, simulate a search on a table, describe a network."""

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.console import JsonOption, show
from .finals.commands import finish
from .hardware.commands import latency
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


app.command()(latency)
app.command()(finish)
