"""xopt nas search and xopt nas show."""

from pathlib import Path
from typing import Annotated

import typer

from ...datasets.command_options import ClusterOption, FormatOption
from ...runtime.console import ForceOption, JsonOption, note, show

app = typer.Typer()

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Where candidates are kept, for many machines: postgresql://..., journal:FILE. "
        "By default an SQLite file in the search's folder.",
        metavar="URL",
    ),
]


@app.command()
def search(
    out: Annotated[Path, typer.Option("--out", help="The folder of the search.", metavar="DIR")],
    data: Annotated[Path | None, typer.Option("--data", help="Labelled images.", metavar="SOURCE")] = None,
    recipe_name: Annotated[
        str | None,
        typer.Option("--recipe", help="How each candidate is trained.", metavar="NAME_OR_FILE"),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    data_format: FormatOption = None,
    uncertain: Annotated[
        str | None, typer.Option("--uncertain", help="What a label of -1 counts as: ignore, zeros or ones.")
    ] = None,
    findings: Annotated[
        str | None, typer.Option("--findings", help="Of CheXpert's findings: competition (five) or all (14).")
    ] = None,
    train_images: Annotated[
        int | None, typer.Option("--train-images", min=1, help="Train on so many images of the split train.")
    ] = None,
    space: Annotated[str | None, typer.Option("--space", help="The networks to choose from.")] = None,
    proposer: Annotated[
        str | None,
        typer.Option("--proposer", help="surrogate, llm, thompson, tpe, gp, nsga2, random or evolution."),
    ] = None,
    budget: Annotated[int | None, typer.Option("--budget", min=1, help="Candidates to train.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Ask for no more after so long.")] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Ask for no more after so many without a better one."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Candidates at a time; one a device by default.")
    ] = None,
    cluster: ClusterOption = None,
    halving: Annotated[
        bool | None, typer.Option("--halving/--no-halving", help="End candidates early that lag behind.")
    ] = None,
    max_parameters: Annotated[
        int | None,
        typer.Option("--max-params", min=1, help="Weights of a network, at most."),
    ] = None,
    max_macs: Annotated[
        int | None, typer.Option("--max-macs", min=1, help="Multiply-accumulates of an image, at most.")
    ] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", help="Predicted latency of an image, at most.")
    ] = None,
    latency_table: Annotated[
        Path | None,
        typer.Option("--latency-table", help="Of xopt nas latency, on this machine.", metavar="TABLE.json"),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Finish the search: the best, as a bundle.", metavar="BUNDLE"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Of the finished search.", metavar="FILE.html")
    ] = None,
    finalists: Annotated[
        int, typer.Option("--finalists", min=1, help="With --bundle: candidates trained again.")
    ] = 3,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="With --bundle: trainings of each.")] = 3,
    precision: Annotated[
        str | None,
        typer.Option("--precision", help="With --bundle: int8 or fp32; as the latency table, or int8."),
    ] = None,
    storage: StorageOption = None,
    study: Annotated[
        str | None, typer.Option("--study", help="Name in the storage; the folder's name by default.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Outcomes shared with other searches.", metavar="DIR")
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="How many of the best keep their checkpoints.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the proposer.")] = None,
    no_upgrades_help: Annotated[
        bool, typer.Option("--no-upgrades-help", help="Do not believe that larger operations help.")
    ] = False,
    llm_url: Annotated[
        str | None, typer.Option("--llm-url", help="Of an OpenAI-compatible server.", metavar="URL")
    ] = None,
    llm_model: Annotated[
        str | None, typer.Option("--llm-model", help="What the server calls the model.")
    ] = None,
    llm_replay: Annotated[
        Path | None, typer.Option("--llm-replay", help="A log to take replies from.", metavar="FILE.jsonl")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in --out; options not given stay.")
    ] = False,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Search for the network that does best on the split val, several candidates at a time.

    Killed at any moment, it goes on with --resume: no candidate that ended is lost, none is trained again.
    """
    from ...runtime.errors import UsageError
    from ...runtime.files import check_free
    from ..finals.from_folder import finals_of, finish_and_show
    from .display import watched
    from .factory import check_names, make_proposer, make_space
    from .interrupts import Interrupts
    from .options import Asked, settings_of
    from .run import search as run

    asked = Asked(
        out=out,
        resume=resume,
        data=data,
        data_format=data_format,
        recipe=recipe_name,
        overrides=tuple(settings or ()),
        budget=budget,
        hours=hours,
        patience=patience,
        max_parameters=max_parameters,
        max_macs=max_macs,
        others={
            "train_images": train_images,
            "uncertain": uncertain,
            "findings": findings,
            "space": space,
            "proposer": proposer,
            "workers": workers,
            "cluster": cluster,
            "halving": halving,
            "max_latency_ms": max_latency_ms,
            "latency_table": latency_table,
            "storage": storage,
            "study": study,
            "cache": cache,
            "keep": keep,
            "seed": seed,
            # A switch that was not given leaves a resumed search as it was.
            "upgrades_help": False if no_upgrades_help else None,
            "llm_url": llm_url,
            "llm_model": llm_model,
            "llm_replay": llm_replay,
        },
    )
    if report is not None and bundle is None:
        raise UsageError("--report is of a finished search; add --bundle BUNDLE")
    for target in (bundle, report):
        if target is not None:
            check_free(target, force=force)
    wanted = settings_of(asked)
    check_names(wanted)
    finals = (
        None if bundle is None else finals_of(wanted, finalists=finalists, seeds=seeds, precision=precision)
    )
    with Interrupts().caught() as interrupts, watched(wanted.budget.candidates) as watcher:
        found = run(
            wanted,
            out,
            make_space=make_space,
            make_proposer=make_proposer,
            resume=resume,
            force=force,
            watcher=watcher,
            interrupts=interrupts,
        )
    if bundle is not None and finals is not None and interrupts.signal is None:
        finish_and_show(found, bundle, settings=finals, report=report, force=force, json_target=json_target)
        return
    show(found.to_text(), found.to_json(), json_target)
    if interrupts.signal is not None:
        note(f"interrupted; what ended is kept, go on with: xopt nas search --out {out} --resume")
        raise typer.Exit(128 + interrupts.signal)


@app.command("show")
def show_search(
    folder: Annotated[Path, typer.Argument(help="The --out of a search.", metavar="SEARCH")],
    storage: StorageOption = None,
    json_target: JsonOption = None,
) -> None:
    """The candidates of a search, what is running, and the best one; also while it searches."""
    from .result import read_search

    found = read_search(folder, storage=storage)
    show(found.to_text(), found.to_json(), json_target)
