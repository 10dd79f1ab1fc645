"""`xopt tune`: tries the variants, chooses on one split, holds the choice against another, writes the bundle.

The choice is made on the gate split alone. The best of many on one split looks better than it is, so what was
chosen is scored once on the report split, and that score is the claim: where its bound does not hold there,
nothing is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ... import __version__
from ...benchmarks.machine import machine_facts
from ...datasets import Dataset
from ...datasets.roles import PIXELS, joined
from ...runtime.bundle.folder import Bundle, write_bundle
from ...runtime.doctor import examine
from ...runtime.errors import GateError, UsageError
from ...runtime.files import check_free
from ..export.export import bundle_name
from ..libraries import need_export, need_quantize
from ..quantize.calibration import TRAIN
from .bundles import Workshop
from .candidates import Board, make_board
from .mixed_precision import rescue
from .plan import Candidate, Chances, Graph, list_candidates
from .result import Found, to_json
from .roles import Roles, assign
from .selection import Choice, candidate_of, choose, pareto
from .settings import TuneSettings
from .source import Source
from .stages import Stages
from .state import WorkFolder, open_folder

OBJECTIVE = ("max_auc_drop", "max_class_auc_drop", "max_latency_ms", "complete")
"""Settings that may change when a tuning is taken up again."""
LOOKS = "objectives held against the report split"
REJECTED = ".rejected"
WORK = ".tune"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a tuning made, met or not."""

    bundle: Bundle | None
    """The chosen variant at OUT; the nearest at OUT.rejected where none meets the objective; None where none
    ran."""
    facts: dict[str, Any]
    """Everything that was found, as plain JSON values."""

    @property
    def met(self) -> bool:
        """Whether the objective was met, on the report split, too."""
        return bool(self.facts["objective"]["outcome"] == "met")


class NotMetError(GateError):
    """No variant meets the objective; `result` holds what was found."""

    def __init__(self, message: str, result: Tuned) -> None:
        super().__init__(message)
        self.result = result


def tune(
    source: Source,
    dataset: Dataset,
    out: Path,
    *,
    settings: TuneSettings | None = None,
    say: Callable[[str], None],
    force: bool = False,
) -> Tuned:
    """Find the variant that serves the objective best on this machine, and write its bundle.

    Args:
        source: a checkpoint or an FP32 bundle, by `source.open_source`.
        dataset: its train split calibrates, the gate split decides, the report split is the claim.
        out: the bundle's folder; the work folder is `out`.tune beside it, where a killed tuning goes on.
        settings: objective, variants, and how to measure.
        say: called with a line after each step.
        force: replace bundles at `out` and `out`.rejected, and begin anew where the work folder was begun
            with something else.

    Raises:
        NotMetError: no variant meets the objective; the nearest is at `out`.rejected, `out` was not written.
        DataError, InputError: the data lacks a split, a class or an image, or a patient has two roles.
        UsageError: settings that cannot work together.
        OutputError: `out` may not be written, or the work folder holds a tuning that was begun otherwise.
        DependencyError: something to export or quantize with is not installed.
    """
    need_export()
    need_quantize()
    chosen = settings or TuneSettings()
    rejected, work = (out.with_name(f"{out.name}{end}") for end in (REJECTED, WORK))
    for place in (out, rejected):
        check_free(place, force=force)
        if place.resolve() == source.path.resolve():
            raise UsageError(f"{place} is what is to be tuned; choose another --out")
    roles = assign(dataset, source, chosen)
    machine = {**machine_facts(), "advice": [examine().int8]}
    begun = _begun_with(source, dataset, chosen, machine)
    with open_folder(work, begun, force=force) as folder:
        if folder.resumed:
            say(f"going on with the tuning in {work}")
        return _run(source, dataset, out, chosen, roles, folder, machine, say, force=force)


def _run(
    source: Source,
    dataset: Dataset,
    out: Path,
    settings: TuneSettings,
    roles: Roles,
    folder: WorkFolder,
    machine: dict[str, Any],
    say: Callable[[str], None],
    *,
    force: bool,
) -> Tuned:
    workshop = Workshop(source=source, dataset=dataset, settings=settings, roles=roles, folder=folder.path)
    board = _board(source, dataset, settings, machine)
    stages = Stages(
        workshop=workshop,
        board=board,
        roles=roles,
        folder=folder,
        say=say,
    )
    stages.build()
    stages.first_race()
    stages.gate(complete=settings.complete)
    rescue(stages)
    stages.final_race()
    standings = board.standings(choosable=True)
    choice = choose(standings, settings.objective)
    front = pareto(standings)
    kept = candidate_of(standings, choice, settings.objective)
    finalists = [row for row in board.rows if row.name in front or row.name == kept]
    looks = [*dict.fromkeys([*(folder.get(LOOKS) or []), settings.objective.words])]
    folder.keep(LOOKS, looks)
    stages.report(finalists)
    met, reason = _outcome(board, choice, roles)
    found = Found(
        stages=stages,
        machine=machine,
        chosen=kept,
        front=front,
        met=met,
        reason=reason,
        looks=tuple(looks),
    )
    facts = to_json(found)
    bundle = None if kept is None else _write(stages, kept, out, facts, met=met, force=force)
    result = Tuned(bundle=bundle, facts=facts)
    if not met:
        where = "" if bundle is None else f"; the nearest candidate is kept at {bundle.path}"
        raise NotMetError(f"{out} was not written: {reason}{where}", result)
    return result


def _board(source: Source, dataset: Dataset, settings: TuneSettings, machine: dict[str, Any]) -> Board:
    chances = Chances(
        crops=source.plans,
        source=source.name,
        bfloat16="BF16" in examine().capabilities,
        onnxruntime=find_spec("onnxruntime") is not None,
        aligned=TRAIN in dataset.splits,
    )
    reference = Candidate(
        graph=Graph(precision="FP32", crops=source.reference_plan),
        engine="torch" if source.bundle is None else "openvino",
        threads=settings.threads[0],
    )
    return make_board(settings.objective, reference, list_candidates(settings, chances))


def _outcome(board: Board, choice: Choice, roles: Roles) -> tuple[bool, str]:
    """Whether the objective was met, and the sentence that says so."""
    if choice.name is None:
        return False, choice.reason
    scored = board.report[board.row(choice.name).function]
    verdict, split = scored.result.verdict, roles.report.name
    if board.objective.max_auc_drop is None and board.objective.max_class_auc_drop is None:
        return True, f"{choice.reason}; mean AUC {scored.result.candidate_auc:.4f} on {split}"
    if verdict.passed:
        return True, f"{choice.reason}; the bound holds on {split}: {verdict.reason}"
    return False, f"{choice.name} passed on {roles.gate.name}, but not on {split}: {verdict.reason}"


def _write(stages: Stages, name: str, out: Path, facts: dict[str, Any], *, met: bool, force: bool) -> Bundle:
    """The bundle of a variant, at `out` or at `out`.rejected, with what was found in its manifest."""
    row = stages.board.row(name)
    made = stages.workshop.bundle(row.candidate.graph)
    scores = (stages.board.gate.get(row.function), stages.board.report.get(row.function))
    gate, report = (None if scored is None else scored.result.to_json() for scored in scores)
    if gate is not None:
        gate[PIXELS] = joined(stages.roles.gate_pixels.pixels)
    summary = {
        "objective": facts["objective"],
        "variant": name,
        "engine": row.candidate.engine,
        "threads": row.candidate.threads,
        "reference": facts["reference"],
        "source": facts["source"],
        "roles": facts["roles"],
        "settings": facts["settings"],
    }
    manifest = replace(
        made.manifest,
        name=bundle_name(out),
        provenance={**made.manifest.provenance, "gate": gate, "report": report, "tune": summary},
    )
    files = {file: made.read(file) for file in made.manifest.files}
    place = out if met else out.with_name(f"{out.name}{REJECTED}")
    return write_bundle(place, manifest, files, force=force)


def _begun_with(
    source: Source, dataset: Dataset, settings: TuneSettings, machine: dict[str, Any]
) -> dict[str, Any]:
    """Whatever figures depend on: a tuning that is taken up again must have the same."""
    return {
        "xopt": __version__,
        "source": source.digest,
        "data": {name: split.digest for name, split in dataset.splits.items()},
        # What is looked for changes no figure: the same work serves another objective.
        "settings": {key: value for key, value in settings.to_json().items() if key not in OBJECTIVE},
        "machine": {key: machine[key] for key in ("cpu", "cores", "features", "libraries")},
    }
