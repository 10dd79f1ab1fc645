"""xopt data: what a data source holds, and synthetic phantoms."""

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.console import ForceOption, JsonOption, ReportOption, note, show
from ..runtime.options import with_options
from .command_options import ClusterOption, DataOptions, SourceArgument, WorkersOption

app = typer.Typer(no_args_is_help=True, help="Data sources: what they hold, and synthetic phantoms.")


@app.command()
@with_options
def stats(
    *,
    source: SourceArgument,
    reading: DataOptions,
    json_target: JsonOption = None,
) -> None:
    """Count images, patients and the positives of each class, split by split.

    Patients that stand in two splits are named. Labels are read, images are not opened.
    """
    from .statistics import gather_statistics

    statistics = gather_statistics(reading.open(source))
    show(statistics.to_text(), statistics.to_json(), json_target)
    for overlap in statistics.overlaps:
        note(f"warning: {overlap}")


@app.command()
@with_options
def check(
    *,
    source: SourceArgument,
    outlier: Annotated[
        float, typer.Option("--outlier", min=0.1, help="Robust deviations from which an exposure is odd.")
    ] = 3.5,
    report: ReportOption = None,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    reading: DataOptions,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html.")] = False,
    json_target: JsonOption = None,
) -> None:
    """Look at every image: unreadable, oddly exposed, padded or repeated ones, and patients in two splits.

    The page also shows label counts, histograms and samples; it holds images of patients.
    """
    from ..runtime.files import check_free, write_file
    from .checking import CheckSettings
    from .checking import check as check_source

    if report is not None:
        check_free(report, force=force)
    checked = check_source(
        reading.open(source), settings=CheckSettings(outlier=outlier), cluster=cluster, workers=workers
    )
    if report is not None:
        from .check_page import render

        write_file(report, render(checked), force=force)
    show(checked.to_text(), checked.to_json(), json_target)


@app.command()
@with_options
def split(
    *,
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", help="The folder to write list files in.", metavar="DIR")],
    val: Annotated[float, typer.Option("--val", help="Share of the images that go to val.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Share of the images that go to test.")] = 0.2,
    patients: Annotated[
        str | None,
        typer.Option(
            "--patients",
            help="How an image's name tells the patient: a regular expression with one group, such as "
            "'(person[0-9]+)_'. What the source says by default.",
            metavar="PATTERN",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides between equals.")] = 0,
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Divide a source anew into train, val and test, so that no patient stands in two of them.

    Each split gets about the same share of every label. Its own splits are forgotten; images are linked.
    """
    from ..runtime.files import check_free
    from .lists import PATIENTS, write_lists
    from .sources import open_source
    from .splitting import SplitSettings, divide
    from .statistics import gather_statistics

    settings = SplitSettings(val=val, test=test, seed=seed, patients=patients)
    check_free(out, force=force, marker=PATIENTS)
    dataset = reading.open(source)
    divided = divide(dataset, settings)
    if not write_lists(divided, dataset, out, force=force):
        note(f"warning: the images were not found; put them in {out / 'images'}")
    if not any(part.patients_known for part in divided.splits.values()):
        note("warning: patients are not known, so each image stands for its own; tell them by --patients")
    statistics = gather_statistics(open_source(out))
    facts = {"path": str(out), "seed": seed, **statistics.to_json()}
    show(f"{statistics.to_text()}\n\nlists in {out}; next: xopt train --data {out}", facts, json_target)


@app.command()
@with_options
def prepare(
    *,
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", help="The cache's folder.", metavar="CACHE")],
    size: Annotated[
        int, typer.Option("--size", min=8, max=4096, help="Side of the images, in pixels.")
    ] = 256,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave images out that cannot be decoded.")
    ] = False,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    reading: DataOptions,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Decode and resize every image once, into a memory-mapped cache that is a data source itself.

    A second call does only what has changed, and a killed one goes on where it was.
    """
    from .preparing import prepare as prepare_source

    prepared = prepare_source(
        reading.open(source),
        out,
        size=size,
        skip_unreadable=skip_unreadable,
        force=force,
        cluster=cluster,
        workers=workers,
    )
    show(f"{prepared.to_text()}\n\nnext: xopt train --data {out}", prepared.to_json(), json_target)


@app.command()
def phantoms(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="DIR")],
    images: Annotated[int, typer.Option("--images", min=20, max=100_000, help="How many images.")] = 600,
    size: Annotated[int, typer.Option("--size", min=32, max=4096, help="Side of an image, in pixels.")] = 256,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same images.")] = 0,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Draw synthetic chest phantoms: a labelled source to try everything on, with no patient in it."""
    from .phantoms import write
    from .sources import open_source
    from .statistics import gather_statistics

    write(out, count=images, seed=seed, size=size, force=force)
    statistics = gather_statistics(open_source(out))
    text = f"{statistics.to_text()}\n\n{images} synthetic phantoms in {out}; next: xopt train --data {out}"
    facts = {"synthetic": True, "path": str(out), "seed": seed, "size": size, **statistics.to_json()}
    show(text, facts, json_target)
