"""The stages of a tuning: build, screen, gate, mixed precision, final measurement, report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...datasets import Split
from ...runtime.bundle.bundle import ONNX, Bundle
from ...runtime.errors import XoptError
from .bundles import BundleStore
from .latency import ROUNDS, LatencyBenchmark, TimedVariant, Timings, screen
from .scoring import Score, predict, score
from .search_space import Candidate, Graph, candidates_of
from .selection import Objective, cannot_be_chosen, clearly_slower, pareto
from .state import WorkFolder
from .variants import Row, VariantTable

FILE_ROUNDS, FILES, FILES_A_STREAM = 3, 4, 4
"""Rounds in which finalists work through image files; the files of a round, at least, and for each stream."""
# Names in the work folder, which a tuning begun with an earlier version has, too.
SCREENING, FINAL = "first race", "final race"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of a tuning, in the order of the methods; each leaves its results in table and folder."""

    bundles: BundleStore
    table: VariantTable
    folder: WorkFolder
    say: Callable[[str], None]

    def build(self) -> None:
        """Make the bundles of all graphs, FP32 first; a graph that cannot be made takes its variants out."""
        reference = self.table.reference.candidate.graph
        with self.folder.phase("export"):
            self.bundles.get(reference)
        for graph in sorted(self.table.graphs(), key=lambda graph: graph.precision != "FP32"):
            with self.folder.phase("export" if graph.precision == "FP32" else "quantize"):
                self._build(graph)

    def screen(self) -> None:
        """Measure all variants over a few images; the clearly slower of those that answer alike drop out."""
        rows = self.table.challengers()
        functions = dict.fromkeys(row.function for row in rows)
        groups = [[row for row in rows if row.function == function] for function in functions]
        self.table.take(self._screen(SCREENING, SCREENING, [[self.table.reference], *groups]))

    def gate(self) -> None:
        """Score functions on the gate split, the fastest first, until no other can be chosen."""
        settings, table = self.bundles.settings, self.table
        with self.folder.phase("gate"):
            self._score(table.reference.function, self.bundles.splits.gate, table.gate)
            for function in table.by_speed():
                rows = [row for row in table.challengers() if row.function == function]
                others = table.stats(choosable=True)
                for row in rows:
                    why = cannot_be_chosen(table.stats_of(row), others, settings.objective)
                    if why is not None and not settings.complete and function != table.reference.function:
                        row.end("stopped", why)
                if any(row.status == "measured" for row in rows):
                    self._score(function, self.bundles.splits.gate, table.gate)

    def try_mixed_precision(self) -> None:
        """Return the most harmful layers of INT8 graphs that missed the gate to floating point.

        More and more, until the gate passes; what passed is measured. Layers are ranked on calibration
        images, never on those that gate (optimize.quantize.layer_sensitivity).
        """
        settings = self.bundles.settings
        for int8 in mixed_precision_graphs(self.table, settings.objective, self.passes):
            for count in settings.layers_back:
                graph = replace(int8, layers_back=count)
                candidates = candidates_of(graph, settings)
                rows = self._add(graph, [new for new in candidates if self._has_run(new.engine)])
                if not any(row.status == "measured" for row in rows):
                    break
                if self.passes(graph.key):
                    self._screen_alone(graph, rows)
                    break
                for row in rows:
                    row.end("stopped", f"{count} layers back do not pass the gate")

    def passes(self, function: str) -> bool:
        """True if a function passes the gate; it is scored where it was not yet."""
        with self.folder.phase("gate"):
            self._score(function, self.bundles.splits.gate, self.table.gate)
        return self.table.gate[function].result.verdict.passed

    def measure_finalists(self) -> None:
        """Measure the reference, what may still be chosen and the Pareto front over more images."""
        finalists = self._finalists()
        kept = self.folder.get(FINAL)
        if kept is None or list(kept["times"]) != [row.name for row in finalists]:
            with self.folder.phase(FINAL):
                kept = self._final(finalists)
            self.folder.keep(FINAL, kept)
        self.table.take(_timings(kept))
        for row in finalists:
            row.files = kept["files"].get(row.name)
            row.macs = kept["macs"].get(row.name)

    def report(self, rows: Sequence[Row]) -> None:
        """Score the functions of variants on the report split, once."""
        with self.folder.phase("report"):
            for function in dict.fromkeys([self.table.reference.function, *(row.function for row in rows)]):
                self._score(function, self.bundles.splits.report, self.table.report)

    def rounds(self, row: Row) -> int:
        """The images that a variant's times are from."""
        final = self.folder.get(FINAL)
        return self.bundles.settings.rounds if final and row.name in final["times"] else ROUNDS

    def bundle_of(self, function: str) -> Bundle:
        """The bundle of a function."""
        return self.bundles.get(next(r.candidate.graph for r in self.table.rows if r.function == function))

    def _build(self, graph: Graph) -> None:
        rows = self.table.of_function(graph.key)
        try:
            bundle = self.bundles.get(graph)
        except XoptError as error:
            if graph.key == self.table.reference.function:
                raise
            for row in rows:
                row.end("failed", str(error))
            return
        self.bundles.splits.check(bundle)
        self.say(f"{graph.title}: {bundle.path.name}")
        kept = (bundle.manifest.provenance.get("settings") or {}).get("keep_floating_point") or ()
        for row in rows:
            row.kept_float = tuple(kept)
        if not bundle.has(ONNX):
            reason = (bundle.manifest.provenance.get("onnx") or {}).get("reason") or "it has no ONNX form"
            for row in rows:
                if row.candidate.engine == "onnxruntime":
                    row.end("left_out", f"no model.onnx: {reason}")

    def _add(self, graph: Graph, candidates: Sequence[Candidate]) -> list[Row]:
        """Make one more graph and add its variants to the table."""
        rows = [Row(candidate=candidate) for candidate in candidates]
        self.table.rows += rows
        with self.folder.phase("layers back"):
            self._build(graph)
        return rows

    def _has_run(self, engine: str) -> bool:
        """True if an engine is there at all: some variant of it was measured."""
        return any(row.candidate.engine == engine and row.times is not None for row in self.table.rows)

    def _screen_alone(self, graph: Graph, rows: Sequence[Row]) -> None:
        """Screen the variants of one graph beside the reference."""
        groups = [[self.table.reference], [row for row in rows if row.status == "measured"]]
        times = self._screen(f"race of {graph.key}", "layers back", groups)
        self.table.take({row.name: times[row.name] for row in rows if row.name in times})

    def _screen(self, name: str, phase: str, groups: Sequence[Sequence[Row]]) -> dict[str, Timings]:
        """The measurements of groups of one function each: found in the work folder, or made."""
        kept = self.folder.get(name)
        if kept is None:
            with self.folder.phase(phase), self._benchmark(ROUNDS) as benchmark:
                screen(benchmark, [list(map(self._timed, group)) for group in groups], self.say)
                kept = benchmark.to_json()
            self.folder.keep(name, kept)
        return _timings(kept)

    def _finalists(self) -> list[Row]:
        """The reference, what passed and may be the fastest of what passed, and the Pareto front."""
        stats = self.table.stats(choosable=True)
        names = set(pareto(stats))
        for own in stats:
            if own.passes and cannot_be_chosen(own, stats, self.bundles.settings.objective) is None:
                names.add(own.name)
        return [self.table.reference, *(row for row in self.table.challengers() if row.name in names)]

    def _final(self, finalists: Sequence[Row]) -> dict[str, Any]:
        settings = self.bundles.settings
        with self._benchmark(settings.rounds) as benchmark:
            running = benchmark.start([self._timed(row) for row in finalists])
            benchmark.run(running, rounds=settings.rounds, label="final race", drop=False)
            count = max(FILES, *(FILES_A_STREAM * (at_once or 0) for at_once in settings.streams))
            files = benchmark.files(running, rounds=FILE_ROUNDS, count=count, streams=settings.streams)
            macs = {timed.name: benchmark.macs(timed) for timed in running}
            return {**benchmark.to_json(), "files": files, "macs": macs}

    def _benchmark(self, rounds: int) -> LatencyBenchmark:
        gate, preprocessing = self.bundles.splits.gate, self.bundles.source.preprocessing
        return LatencyBenchmark(gate, preprocessing, rounds=rounds, reference=self.table.reference.name)

    def _timed(self, row: Row) -> TimedVariant:
        threads = row.candidate.threads
        # Libraries below an engine start pools of their own, sized by these.
        environment = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
        variant = self.bundles.engine_variant(row.candidate)
        return TimedVariant(variant=variant, function=row.function, environment=environment)

    def _score(self, function: str, split: Split, scores: dict[str, Score]) -> None:
        if function in scores:
            return
        label = f"{split.name}: {function}"
        answers_NC = predict(self.bundle_of(function), split, self.folder.path, label=label)
        reference_NC = scores[self.table.reference.function].answers_NC if scores else answers_NC
        dataset, classes = self.bundles.dataset.name, self.bundles.source.classes
        scores[function] = score(dataset, classes, split, answers_NC, reference_NC, self.bundles.settings)
        self.say(f"{split.name} {function}: {scores[function].result.verdict.reason}")


def mixed_precision_graphs(
    table: VariantTable, objective: Objective, passes: Callable[[str], bool]
) -> Iterator[Graph]:
    """INT8 graphs that missed the gate where layers in floating point can help, and would pay.

    They can help where the FP32 graph of the crop plan passes (else no layer is to blame), and pay where the
    INT8 graph is clearly faster than every variant that passed so far.
    """
    if objective.max_auc_drop is None:
        return
    stats = table.stats(choosable=True)
    fastest = min((own for own in stats if own.passes), key=lambda own: own.median_ms, default=None)
    for graph in table.graphs():
        if graph.precision != "INT8" or graph.layers_back:
            continue
        missed = [own for own in stats if own.function == graph.key and own.passes is False]
        if not missed or (fastest is not None and not clearly_slower(fastest, missed[0])):
            continue
        if passes(Graph(precision="FP32", crops=graph.crops).key):
            yield graph


def _timings(kept: dict[str, Any]) -> dict[str, Timings]:
    return {name: Timings(**values) for name, values in kept["times"].items()}
