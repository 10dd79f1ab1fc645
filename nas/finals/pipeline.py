"""The end of a search: finalists measured, trained again, compared, and the winner made into a bundle.

All of it lies in the search's folder, so that whatever was finished before a kill is not done again:

    finals/runs/CODE/seed-1/    run folders of the finalists
    finals/latency.json         what was measured
    finals/bundles/             see nas.finals.winner_bundle
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...benchmarks.machine import machine_facts
from ...datasets import Dataset
from ...optimize.quantize.int8 import RejectedError
from ...runtime.bundle.bundle import MANIFEST, Bundle
from ...runtime.errors import DataError, GateError
from ...runtime.files import check_free, make_folder, staged_folder
from ...train.recipe import Recipe, override
from ..hardware.finalist_latency import LatencyCache, RealLatency, Stopwatch
from ..hardware.graphs import GraphSettings
from ..hardware.latency_table import LatencyTable
from ..search.candidates import Assignment, Candidate, best_of, pareto_front
from ..search.folder import SearchFolder
from ..search.training import recipe_for
from ..space import Space
from .comparing import Standing, compare_finalists
from .result import Finalist, Finished
from .retraining import Retrained, retrain
from .settings import FinalsSettings
from .winner_bundle import make_bundle, measure_bundle, score_once

FOLDER = "finals"


def finish(
    rows: Sequence[Candidate],
    *,
    search: Path,
    space: Space,
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    settings: FinalsSettings | None = None,
    table: LatencyTable | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Finished:
    """Turn a search's candidates into one bundle.

    Args:
        rows: all candidates of the search.
        search: its folder; what the finals make is kept in it.
        space: that was searched.
        dataset: train trains and calibrates, val compares and gates, test is scored once, for the winner.
        recipe: of the search; each finalist's network, input size and seed take the place of its own.
        out: the bundle's folder.
        settings: how many finalists, seeds, limits.
        table: of block latencies; a limit on latency is then held against the table's machine state.
        force: replace a bundle at `out`.
        say: called with a line after each step.

    Raises:
        GateError: no finalist is fast enough, or INT8 lost more AUC than allowed; `out` was not written.
        DataError: the search has no candidate that was trained to the end, or a split is absent.
        OutputError: `out` exists already, or the search is being finished by another process.
        XoptError: see train, export and quantize.
    """
    how = (settings or FinalsSettings()).fitted_to(table)
    check_free(out, force=force)
    folder = search / FOLDER
    make_folder(folder)
    make_folder(folder / "bundles")
    # Two at once would train into the same run folders.
    with SearchFolder(path=folder).locked():
        finals = _Finals(
            rows=rows,
            folder=folder,
            space=space,
            dataset=dataset,
            recipe=override(recipe, how.overrides),
            settings=how,
            table=table,
            say=say,
        )
        return finals.run(out, force=force)


@dataclass(kw_only=True)
class _Finals:
    """Finals under way."""

    rows: Sequence[Candidate]
    folder: Path
    """Where the finals are kept, in the search's folder."""
    space: Space
    dataset: Dataset
    recipe: Recipe
    """Of the finals, with the overrides of the settings."""
    settings: FinalsSettings
    table: LatencyTable | None
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        graphs = GraphSettings(
            precision=self.settings.precision or "INT8",
            classes=len(self.dataset.classes),
            threads=self.settings.threads or 1,
        )
        self.stopwatch = Stopwatch(graphs, self.table)
        self.measured = LatencyCache(self.folder / "latency.json", self.stopwatch)

    def run(self, out: Path, *, force: bool) -> Finished:
        """Choose, train, compare and bundle; the bundle is also written to `out`."""
        started = time.perf_counter()
        bundle, finalists = self.make_winner_bundle(self.rank(self.choose()))
        tested = score_once(bundle, self.dataset, self.folder)
        _copy(bundle, out, force=force)
        return Finished(
            search=self.folder.parent.name,
            rows=tuple(self.rows),
            finalists=tuple(finalists),
            bundle=replace(bundle, path=out),
            tested=tested,
            dataset=self.dataset,
            recipe=self.recipe,
            settings=self.settings,
            table=self.table,
            machine=machine_facts(),
            seconds=time.perf_counter() - started,
        )

    def choose(self) -> list[Finalist]:
        """The finalists, measured for real; those that are too slow stand among them as dropped."""
        chosen: list[Finalist] = []
        waiting = contenders(self.rows, self.settings.pick)
        if not waiting:
            raise DataError("the search has no candidate that was trained to the end; search on")
        while waiting and (lacking := self.settings.finalists - sum(not f.dropped for f in chosen)) > 0:
            batch, waiting = waiting[:lacking], waiting[lacking:]
            codes = [row.code for row in batch]
            latencies = self.measured.of(codes, partial(self.stopwatch.measure_codes, self.space))
            for row, latency in zip(batch, latencies, strict=True):
                chosen.append(Finalist(row=row, latency=latency, dropped=self._too_slow(latency)))
                self.say(chosen[-1].measured_words)
        if all(finalist.dropped for finalist in chosen):
            raise GateError(
                f"none of the {len(chosen)} candidates is fast enough: {chosen[0].dropped}; search with this "
                "--max-latency-ms and a --latency-table, or allow more"
            )
        return chosen

    def rank(self, finalists: list[Finalist]) -> list[Finalist]:
        """Train the finalists again and compare them; best first, the dropped ones last."""
        taking_part = [finalist for finalist in finalists if not finalist.dropped]
        trained = {finalist.row.code: self._trainings(finalist.row.code) for finalist in taking_part}
        val = self.dataset.split("val")
        standings = compare_finalists(
            val.marked_labels,
            {code: [run.val_NC for run in runs] for code, runs in trained.items()},
            val.patients,
            resamples=self.settings.resamples,
        )
        by_code = {finalist.row.code: finalist for finalist in taking_part}
        ranked = [replace(by_code[s.code], standing=s, run=_best_run(s, trained[s.code])) for s in standings]
        return ranked + [finalist for finalist in finalists if finalist.dropped]

    def make_winner_bundle(self, finalists: list[Finalist]) -> tuple[Bundle, list[Finalist]]:
        """The bundle of the best finalist that is fast enough as it ships."""
        for place, finalist in enumerate(finalists):
            if finalist.run is None:
                break
            try:
                bundle = make_bundle(finalist.run, self.dataset, self.folder / "bundles", self.settings)
            except RejectedError as rejected:
                raise GateError(f"the best finalist, {finalist.row.code}: {rejected}") from rejected
            predicted = finalist.latency.predicted_ms
            (latency,) = self.measured.of([bundle.digest], partial(self._measure, bundle, predicted))
            dropped = self._too_slow(latency)
            finalists[place] = replace(finalist, latency=latency, dropped=dropped, won=not dropped)
            self.say(finalists[place].measured_words)
            if not dropped:
                return bundle, finalists
        raise GateError(f"no finalist's bundle is fast enough: {finalists[0].dropped}; allow more")

    def _measure(self, bundle: Bundle, predicted_ms: float | None, _digests: list[str]) -> list[RealLatency]:
        return [measure_bundle(bundle, self.stopwatch, predicted_ms=predicted_ms)]

    def _trainings(self, code: str) -> list[Retrained]:
        assignment = Assignment(
            number=0,
            code=code,
            architecture=self.space.architecture(code),
            input_size=self.space.input_size(code),
        )
        own = recipe_for(self.recipe, assignment)
        trainings = []
        for seed in range(self.recipe.seed + 1, self.recipe.seed + 1 + self.settings.seeds):
            run = self.folder / "runs" / code / f"seed-{seed}"
            trainings.append(retrain(self.dataset, replace(own, seed=seed), run))
            self.say(f"{code}, seed {seed}: trained")
        return trainings

    def _too_slow(self, latency: RealLatency) -> str:
        limit = self.settings.max_latency_ms
        if limit is None or latency.latency_ms <= limit:
            return ""
        return f"{latency.latency_ms:.3g} ms measured, allowed are {limit:.3g} ms"


def contenders(rows: Sequence[Candidate], pick: str = "best") -> list[Candidate]:
    """Candidates that were trained to the end, best first; with `front` those on the Pareto front only.

    The front is that of value and predicted latency, or parameters where no latency is known.
    """
    ranked = best_of(rows)
    if pick == "best":
        return ranked
    timed = all(row.latency_ms is not None for row in ranked)
    costs = [float((row.latency_ms if timed else row.parameters) or 0) for row in ranked]
    front = pareto_front([(row.value or 0.0, cost) for row, cost in zip(ranked, costs, strict=True)])
    return [ranked[index] for index in sorted(front)]


def _best_run(standing: Standing, runs: Sequence[Retrained]) -> Path:
    return runs[standing.aucs.index(max(standing.aucs))].run


def _copy(bundle: Bundle, out: Path, *, force: bool) -> None:
    """Write the bundle's verified bytes to `out`: the same bundle, with the same digest."""
    with staged_folder(out, force=force, marker=MANIFEST) as stage:
        for name in (*bundle.manifest.files, MANIFEST):
            content = (bundle.path / name).read_bytes() if name == MANIFEST else bundle.read(name)
            (stage / name).write_bytes(content)
