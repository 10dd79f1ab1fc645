"""A search from its settings to its result: folder, workers, storage, and the engine between them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from ...datasets import Dataset
from ...datasets.executors import open_executor
from ...runtime.errors import UsageError
from ...runtime.files import check_free
from ...runtime.requires import need
from ..hardware.latency_table import load_table
from ..hardware.limits import LatencyLimit, Predictor, allowed
from ..problem import Problem, Proposer
from ..space import Space
from .candidates import Candidate
from .cluster_workers import ClusterWorkerPool
from .engine import Engine, Watcher
from .folder import SearchFolder
from .halving import Halving
from .interrupts import Interrupts
from .local_workers import LocalWorkerPool, share_devices
from .outcome_files import Recorded, Results
from .result import OBJECTIVE, SearchResult, read_search, storage_url
from .settings import MARKER, SearchSettings, check_same, digest_data, read_settings
from .storage import without_password
from .training import Training
from .trial_store import TrialStore
from .worker_pool import Objective, WorkerPool

Silent = Watcher()


def search(
    settings: SearchSettings,
    out: Path,
    *,
    make_space: Callable[[SearchSettings, Dataset], Space],
    make_proposer: Callable[[SearchSettings, Problem, Path], Proposer],
    resume: bool = False,
    force: bool = False,
    watcher: Watcher = Silent,
    interrupts: Interrupts | None = None,
) -> SearchResult:
    """Search for the network that does best on a data set's `val` split when trained on its `train` split.

    Args:
        settings: all settings.
        out: the search's folder.
        make_space: builds the space for a data set's classes.
        make_proposer: builds what proposes networks for a problem.
        resume: go on with the search in `out`, whose finished candidates are kept.
        force: replace the search in `out`.
        watcher: told how it goes.
        interrupts: signals that end it between two steps.

    Returns:
        what was found, with why it ended; that is "interrupted" where a signal asked for the end.

    Raises:
        UsageError: a limit on latency without a prediction, limits that no network meets, or a resumed search
            that was another one.
        DataError: the data, the search to resume or the storage cannot be read.
        OutputError: `out` may not be written.
        ClusterError: the cluster cannot be reached.
        XoptError: no candidate can be trained.
        DependencyError: a library is not installed.
    """
    need("optuna", extra="nas")
    place = SearchFolder(path=out)
    settings, owner = _identify(place, settings, resume=resume, force=force)
    dataset = settings.open_data()
    problem = _problem(settings, make_space(settings, dataset))
    context = settings.context(problem.space, digest_data(dataset))
    # A mistake up to here leaves an older search, and the place for the new one, as they were.
    if not resume:
        place.make(force=force)
    with place.locked():
        place.sweep()
        url = storage_url(place, settings, None)
        settings.write(out, owner=owner, storage=without_password(url), context=context)
        name, space = settings.study or out.name, problem.space
        store = TrialStore.open(url, name, owner=owner, context=context, space=space, objective=OBJECTIVE)
        proposer = make_proposer(settings, problem, out)
        _run_engine(settings, place, store, problem, proposer, context, watcher, interrupts)
    return read_search(out, storage=url)


def _run_engine(
    settings: SearchSettings,
    place: SearchFolder,
    store: TrialStore,
    problem: Problem,
    proposer: Proposer,
    context: str,
    watcher: Watcher,
    interrupts: Interrupts | None,
) -> None:
    results = Results(folder=place.results, context=context, shared=settings.cache)
    with _worker_pool(settings, Recorded(_training(settings, place), results)) as pool:
        engine = Engine(
            problem=problem,
            proposer=proposer,
            store=store,
            results=results,
            pool=pool,
            budget=settings.budget,
            watcher=_watching(watcher, place, settings.keep),
            latency_ms=problem.latency_ms,
        )
        store.close("")
        store.close(engine.run(interrupts))
    place.prune(store.candidates(), settings.keep)


def _identify(
    place: SearchFolder, settings: SearchSettings, *, resume: bool, force: bool
) -> tuple[SearchSettings, str]:
    """The settings to go on with, checked, and the folder's id; nothing is written."""
    if settings.max_latency_ms is not None and settings.latency_table is None:
        raise UsageError("a limit on latency needs a prediction of it: add --latency-table TABLE.json")
    if resume:
        before, facts = read_settings(place.path)
        settings = check_same(before, settings)
        return replace(settings, study=before.study), str(facts["id"])
    check_free(place.path, force=force, marker=MARKER)
    for source in (settings.data, settings.latency_table, settings.llm_replay, settings.cache):
        if source is not None and source.exists() and source.resolve().is_relative_to(place.path.resolve()):
            raise UsageError(
                f"{source} lies in the search that --force removes; copy it to another folder first"
            )
    return replace(settings, study=settings.study or place.path.resolve().name), uuid4().hex


def _problem(settings: SearchSettings, space: Space) -> Problem:
    latency = predictor = None
    if settings.latency_table is not None:
        table = load_table(settings.latency_table)
        table.check_space(space)
        predictor = Predictor(space=space, table=table)
        if settings.max_latency_ms is not None:
            latency = LatencyLimit(predictor=predictor, max_latency_ms=settings.max_latency_ms)
    return Problem(
        space=space,
        allowed=allowed(space, settings.limits, latency),
        objective=OBJECTIVE,
        seed=settings.seed,
        latency_ms=None if predictor is None else predictor.predict_latency_ms,
        max_latency_ms=None if latency is None else latency.predicted_up_to_ms,
    )


def _training(settings: SearchSettings, place: SearchFolder) -> Training:
    return Training(
        recipe=settings.recipe,
        data=settings.data.resolve(),
        data_format=settings.data_format,
        uncertain=settings.uncertain,
        findings=settings.findings,
        train_images=settings.train_images,
        curves=replace(place.curves, folder=place.curves.folder.resolve()),
        runs=place.runs.resolve(),
        halving=Halving() if settings.halving else None,
    )


@contextmanager
def _worker_pool(settings: SearchSettings, objective: Objective) -> Iterator[WorkerPool]:
    if settings.cluster is None:
        pool = LocalWorkerPool(objective, share_devices(settings.workers))
        try:
            yield pool
        finally:
            pool.close()
        return
    with open_executor(settings.cluster, settings.workers) as workers:
        yield ClusterWorkerPool(objective, workers)


def _watching(watcher: Watcher, place: SearchFolder, keep: int) -> Watcher:
    """A watcher that also sees to it that only the best candidates keep their checkpoints."""

    def ended(row: Candidate, rows: Sequence[Candidate]) -> None:
        place.prune(rows, keep)
        watcher.ended(row, rows)

    return replace(watcher, ended=ended, curve=place.curves.read)
