"""The stages of a tuning: make the graphs, race them, gate them, race the finalists, score them once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...datasets import Split
from ...metrics.bootstrap import auc_intervals
from ...runtime.bundle.folder import ONNX, Bundle
from ...runtime.errors import XoptError
from ..gate.gate import run_gate
from ..settings import GateSettings
from .answers import answers
from .bundles import Workshop
from .candidates import Board, Row, Score
from .latency_race import ROUNDS, Race, Times, first_races
from .plan import Candidate, Graph
from .race_variants import entry_of
from .roles import Roles
from .selection import hopeless, pareto
from .state import WorkFolder

FILE_ROUNDS, FILES, FILES_A_STREAM = 3, 4, 4
"""Rounds in which finalists work through image files; the files of a round, at least, and for each stream."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What all stages work with."""

    workshop: Workshop
    board: Board
    roles: Roles
    folder: WorkFolder
    say: Callable[[str], None]

    def build(self) -> None:
        """Make the bundles of all graphs, FP32 first; a graph that cannot be made takes its variants out."""
        reference = self.board.reference.candidate.graph
        with self.folder.phase("export"):
            self.workshop.bundle(reference)
        for graph in sorted(self.board.graphs(), key=lambda graph: graph.precision != "FP32"):
            with self.folder.phase("export" if graph.precision == "FP32" else "quantize"):
                self._build(graph)

    def first_race(self) -> None:
        """Race all variants over a few images; the clearly slower of those that answer alike drop out."""
        kept = self.folder.get("first race")
        if kept is None:
            groups = [[self.board.reference], *self._groups()]
            with self.folder.phase("first race"), self._race(rounds=ROUNDS) as race:
                first_races(
                    race, [[entry_of(row, self.workshop) for row in group] for group in groups], self.say
                )
                kept = _kept(race)
            self.folder.keep("first race", kept)
        self.board.take(_times(kept))

    def gate(self, *, complete: bool) -> None:
        """Score functions on the gate split, the fastest first, until nobody else can be chosen."""
        with self.folder.phase("gate"):
            self._score(self.board.function, self.roles.gate, self.board.gate)
            for function in self.board.by_speed():
                rows = [row for row in self.board.of(function) if row is not self.board.reference]
                others = self.board.standings(choosable=True)
                for row in rows:
                    why = hopeless(self.board.standing(row), others, self.board.objective)
                    if why is not None and not complete and function != self.board.function:
                        row.end("stopped", why)
                if any(row.status == "measured" for row in rows):
                    self._score(function, self.roles.gate, self.board.gate)

    def final_race(self) -> list[Row]:
        """Race the reference and whoever may still be chosen, or is on the Pareto front, over more images."""
        finalists = self.finalists()
        kept = self.folder.get("final race")
        names = [row.name for row in finalists]
        if kept is None or list(kept["times"]) != names:
            with self.folder.phase("final race"):
                kept = self._final(finalists)
            self.folder.keep("final race", kept)
        self.board.take(_times(kept))
        for row in finalists:
            row.files = kept["files"].get(row.name)
            row.macs = kept["macs"].get(row.name)
        return finalists

    def finalists(self) -> list[Row]:
        """The reference, whoever passed and is not clearly slower than another that did, the Pareto front."""
        standings = self.board.standings(choosable=True)
        names = set(pareto(standings))
        for one in standings:
            if one.passes and hopeless(one, standings, self.board.objective) is None:
                names.add(one.name)
        rows = [row for row in self.board.running() if row.name in names and row is not self.board.reference]
        return [self.board.reference, *rows]

    def report(self, rows: Sequence[Row]) -> None:
        """Score the functions of variants on the report split, once."""
        with self.folder.phase("report"):
            for function in dict.fromkeys([self.board.function, *(row.function for row in rows)]):
                self._score(function, self.roles.report, self.board.report)

    def add(self, graph: Graph, candidates: Sequence[Candidate]) -> list[Row]:
        """Make one more graph and put its variants on the board."""
        rows = [Row(candidate=candidate) for candidate in candidates]
        self.board.rows += rows
        with self.folder.phase("layers back"):
            self._build(graph)
        return rows

    def passes(self, function: str) -> bool:
        """Whether a function passes the gate; it is scored where it was not yet."""
        with self.folder.phase("gate"):
            self._score(function, self.roles.gate, self.board.gate)
        return self.board.gate[function].result.verdict.passed

    def race_alone(self, graph: Graph, rows: Sequence[Row]) -> None:
        """Race the variants of one graph against each other and beside the reference."""
        name = f"race of {graph.key}"
        kept = self.folder.get(name)
        if kept is None:
            groups = [[self.board.reference], [row for row in rows if row.status == "measured"]]
            with self.folder.phase("layers back"), self._race(rounds=ROUNDS) as race:
                first_races(
                    race, [[entry_of(row, self.workshop) for row in group] for group in groups], self.say
                )
                kept = _kept(race)
            self.folder.keep(name, kept)
        times = _times(kept)
        self.board.take({row.name: times[row.name] for row in rows if row.name in times})

    def rounds(self, row: Row) -> int:
        """Of the race that a variant's times are from."""
        final = self.folder.get("final race")
        return self.workshop.settings.rounds if final and row.name in final["times"] else ROUNDS

    def bundle_of(self, function: str) -> Bundle:
        """The bundle of a function."""
        graphs = [row.candidate.graph for row in self.board.rows if row.function == function]
        return self.workshop.bundle(graphs[0])

    def _build(self, graph: Graph) -> None:
        rows = self.board.of(graph.key)
        try:
            bundle = self.workshop.bundle(graph)
        except XoptError as error:
            if graph.key == self.board.function:
                raise
            for row in rows:
                row.end("failed", str(error))
            return
        self.workshop.roles.check(bundle)
        self.say(f"{graph.words}: {bundle.path.name}")
        kept = (bundle.manifest.provenance.get("settings") or {}).get("keep_floating_point") or ()
        for row in rows:
            row.kept_float = tuple(kept)
        if not bundle.has(ONNX):
            reason = (bundle.manifest.provenance.get("onnx") or {}).get("reason") or "it has no ONNX form"
            for row in rows:
                if row.candidate.engine == "onnxruntime":
                    row.end("left_out", f"no model.onnx: {reason}")

    def _groups(self) -> list[list[Row]]:
        """Variants of one function each, cheap crop plans first, without the reference."""
        rows = [row for row in self.board.running() if row is not self.board.reference]
        functions = dict.fromkeys(row.function for row in rows)
        return [[row for row in rows if row.function == function] for function in functions]

    def _race(self, *, rounds: int) -> Race:
        return Race(
            self.roles.gate,
            self.workshop.source.preprocessing,
            rounds=rounds,
            keep=self.board.reference.name,
        )

    def _final(self, finalists: Sequence[Row]) -> dict[str, Any]:
        entries = [entry_of(row, self.workshop) for row in finalists]
        with self._race(rounds=self.workshop.settings.rounds) as race:
            running = race.start(entries)
            race.run(running, rounds=self.workshop.settings.rounds, label="final race", drop=False)
            streams = self.workshop.settings.streams
            count = max(FILES, *(FILES_A_STREAM * (at_once or 0) for at_once in streams))
            files = race.files(running, rounds=FILE_ROUNDS, count=count, streams=streams)
            macs = {entry.name: race.macs(entry) for entry in running}
            return {**_kept(race), "files": files, "macs": macs}

    def _score(self, function: str, split: Split, scores: dict[str, Score]) -> None:
        if function in scores:
            return
        bundle = self.bundle_of(function)
        answers_NC = answers(bundle, split, self.folder.path, label=f"{split.name}: {function}")
        settings, objective = self.workshop.settings, self.board.objective
        reference_NC = scores[self.board.function].answers_NC if scores else answers_NC
        result = run_gate(
            self.workshop.dataset.name,
            self.workshop.source.classes,
            split,
            reference_NC,
            answers_NC,
            GateSettings(
                # A margin of 1 is no gate at all: no AUC can fall by more.
                max_auc_drop=1.0 if objective.max_auc_drop is None else objective.max_auc_drop,
                max_class_auc_drop=objective.max_class_auc_drop,
                split=split.name,
                resamples=settings.resamples,
                seed=settings.seed,
            ),
        )
        intervals = auc_intervals(
            split.marked_labels,
            answers_NC.astype(np.float64),
            split.patients,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        scores[function] = Score(answers_NC=answers_NC, intervals=intervals, result=result)
        self.say(f"{split.name} {function}: {result.verdict.reason}")


def _kept(race: Race) -> dict[str, Any]:
    return {
        "times": {name: times.to_json() for name, times in race.times.items()},
        "decode_ms": race.decode_ms,
    }


def _times(kept: dict[str, Any]) -> dict[str, Times]:
    return {name: Times(**values) for name, values in kept["times"].items()}
