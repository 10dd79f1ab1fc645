"""Options of xopt nas search; those of its costs and recipe are shared with the other commands of nas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...datasets.command_options import ClusterOption, FormatOption
from ...datasets.options import FINDINGS_OPTION, UNCERTAIN_OPTION
from ..finals.settings import FinalsSettings

MaxParametersOption = Annotated[
    int | None, typer.Option("--max-params", min=1, help="Parameters a network may have at most.")
]
MaxMacsOption = Annotated[
    int | None, typer.Option("--max-macs", min=1, help="Multiply-accumulates a network may need at most.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Where candidates are kept, for many machines: postgresql://..., journal:FILE. "
        "By default an SQLite file in the search's folder.",
        metavar="URL",
    ),
]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of a search; None and empty ones were not given, which --resume leaves as they were."""

    data: Annotated[Path | None, typer.Option(help="Labelled images.", metavar="SOURCE")] = None
    recipe: Annotated[
        str | None, typer.Option(help="How each candidate is trained.", metavar="NAME_OR_FILE")
    ] = None
    overrides: Annotated[
        tuple[str, ...], typer.Option("--set", help="Change one setting of the recipe.", metavar="KEY=VALUE")
    ] = ()
    data_format: FormatOption = None
    uncertain: Annotated[str | None, UNCERTAIN_OPTION] = None
    findings: Annotated[str | None, FINDINGS_OPTION] = None
    train_images: Annotated[
        int | None, typer.Option(min=1, help="Train on this many images of the split train.")
    ] = None
    space: Annotated[str | None, typer.Option(help="The networks to choose from: macro or xray.")] = None
    proposer: Annotated[
        str | None, typer.Option(help="surrogate, llm, thompson, tpe, gp, nsga2, random or evolution.")
    ] = None
    budget: Annotated[int | None, typer.Option(min=1, help="Candidates to train.")] = None
    hours: Annotated[float | None, typer.Option(help="Stop proposing after this many hours.")] = None
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Stop proposing after this many candidates without a better one."),
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=1, help="Candidates trained at a time; one per device by default.")
    ] = None
    cluster: ClusterOption = None
    halving: Annotated[
        bool | None, typer.Option("--halving/--no-halving", help="End candidates early that lag behind.")
    ] = None
    max_parameters: MaxParametersOption = None
    max_macs: MaxMacsOption = None
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Predicted latency of one image in ms, at most.")
    ] = None
    latency_table: Annotated[
        Path | None,
        typer.Option(help="Table by xopt nas latency, measured on this machine.", metavar="TABLE.json"),
    ] = None
    storage: StorageOption = None
    study: Annotated[str | None, typer.Option(help="Name in the storage; the folder's name by default.")] = (
        None
    )
    cache: Annotated[
        Path | None, typer.Option(help="Folder of outcomes shared with other searches.", metavar="DIR")
    ] = None
    keep: Annotated[int | None, typer.Option(min=1, help="How many of the best keep their checkpoints.")] = (
        None
    )
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the proposer.")] = None
    no_upgrades_help: Annotated[
        bool,
        typer.Option("--no-upgrades-help", help="Disable the prior that larger operations score higher."),
    ] = False
    llm_url: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-compatible server.", metavar="URL")
    ] = None
    llm_model: Annotated[str | None, typer.Option(help="What the server calls the model.")] = None
    llm_replay: Annotated[
        Path | None, typer.Option(help="A log to take replies from.", metavar="FILE.jsonl")
    ] = None


@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """Options of the bundle that `xopt nas search` makes at its end."""

    bundle: Annotated[
        Path | None, typer.Option(help="Finish the search: the best, as a bundle.", metavar="BUNDLE")
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(help="With --bundle: write a self-contained HTML page.", metavar="FILE.html"),
    ] = None
    finalists: Annotated[int, typer.Option(min=1, help="With --bundle: candidates trained again.")] = (
        FinalsSettings.finalists
    )
    seeds: Annotated[int, typer.Option(min=1, help="With --bundle: trainings of each.")] = (
        FinalsSettings.seeds
    )
    precision: Annotated[
        str | None, typer.Option(help="With --bundle: int8 or fp32; as the latency table, or int8.")
    ] = None
