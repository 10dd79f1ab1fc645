"""`xopt tune`: tries the variants, selects on the gate split, reports on the report split, writes the bundle.

The choice is made on the gate split alone. The best of many on one split looks better than it is, so the
chosen variant is scored once on the report split, and that score is reported: where its bound does not hold
there, nothing is written.
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
from ...runtime.bundle.bundle import Bundle, write_bundle
from ...runtime.doctor import cpu_features, examine
from ...runtime.errors import GateError, UsageError
from ...runtime.files import check_free
from ..export.export import bundle_name
from ..libraries import need_export, need_quantize
from ..quantize.calibration import TRAIN
from .bundles import BundleStore
from .result import Outcome, to_json
from .search_space import Candidate, Capabilities, Graph, list_candidates
from .selection import Choice, choose, nearest, pareto
from .settings import TuneSettings
from .source import Source
from .splits import assign_roles
from .stages import Stages
from .state import WorkFolder, open_folder
from .variants import VariantTable

CHANGEABLE = ("max_auc_drop", "max_class_auc_drop", "max_latency_ms", "complete")
"""Settings that may differ when a tuning is resumed: no figure depends on them."""
OBJECTIVES = "objectives held against the report split"
REJECTED = ".rejected"
WORK = ".tune"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The result of a tuning, whether its objective was met or not."""

    bundle: Bundle | None
    """The chosen variant at OUT; the nearest at OUT.rejected where none meets the objective; None where none
    ran."""
    facts: dict[str, Any]
    """All results, as plain JSON values."""

    @property
    def met(self) -> bool:
        """True if the objective was met, on the report split, too."""
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
        dataset: calibrates on train, selects on the gate split, reports on the report split.
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
    splits = assign_roles(dataset, source, chosen)
    machine = {**machine_facts(), "advice": [examine().int8]}
    begun = _begun_with(source, dataset, chosen, machine)
    with open_folder(work, begun, force=force) as folder:
        if folder.resumed:
            say(f"going on with the tuning in {work}")
        bundles = BundleStore(
            source=source, dataset=dataset, settings=chosen, splits=splits, folder=folder.path
        )
        return _run(bundles, folder, machine, out, say, force=force)


def _run(
    bundles: BundleStore,
    folder: WorkFolder,
    machine: dict[str, Any],
    out: Path,
    say: Callable[[str], None],
    *,
    force: bool,
) -> Tuned:
    objective, table = bundles.settings.objective, _table(bundles)
    stages = Stages(bundles=bundles, table=table, folder=folder, say=say)
    stages.build()
    stages.screen()
    stages.gate()
    stages.try_mixed_precision()
    stages.measure_finalists()
    stats = table.stats(choosable=True)
    choice = choose(stats, objective)
    front = pareto(stats)
    kept = nearest(stats, choice, objective)
    objectives = [*dict.fromkeys([*(folder.get(OBJECTIVES) or []), objective.description])]
    folder.keep(OBJECTIVES, objectives)
    stages.report([row for row in table.rows if row.name in front or row.name == kept])
    met, reason = _judge(stages, choice)
    facts = to_json(
        Outcome(
            stages=stages,
            machine=machine,
            chosen=kept,
            front=front,
            met=met,
            reason=reason,
            objectives=tuple(objectives),
        )
    )
    bundle = None if kept is None else _write(stages, kept, out, facts, met=met, force=force)
    result = Tuned(bundle=bundle, facts=facts)
    if not met:
        where = "" if bundle is None else f"; the nearest candidate is kept at {bundle.path}"
        raise NotMetError(f"{out} was not written: {reason}{where}", result)
    return result


def _table(bundles: BundleStore) -> VariantTable:
    source, settings = bundles.source, bundles.settings
    capabilities = Capabilities(
        crops=source.crop_plans,
        source=source.name,
        bfloat16="BF16" in examine().capabilities,
        onnxruntime=find_spec("onnxruntime") is not None,
        train_split=TRAIN in bundles.dataset.splits,
    )
    reference = Candidate(
        graph=Graph(precision="FP32", crops=source.reference_crops),
        engine="torch" if source.bundle is None else "openvino",
        threads=settings.threads[0],
    )
    return VariantTable.of(reference, list_candidates(settings, capabilities))


def _judge(stages: Stages, choice: Choice) -> tuple[bool, str]:
    """The verdict on the objective, with the sentence that gives the reason."""
    if choice.name is None:
        return False, choice.reason
    objective, splits = stages.bundles.settings.objective, stages.bundles.splits
    result = stages.table.report[stages.table.row(choice.name).function].result
    if objective.max_auc_drop is None and objective.max_class_auc_drop is None:
        return True, f"{choice.reason}; mean AUC {result.candidate_auc:.4f} on {splits.report.name}"
    verdict = result.verdict
    if verdict.passed:
        return True, f"{choice.reason}; the bound holds on {splits.report.name}: {verdict.reason}"
    return (
        False,
        f"{choice.name} passed on {splits.gate.name}, but not on {splits.report.name}: {verdict.reason}",
    )


def _write(stages: Stages, name: str, out: Path, facts: dict[str, Any], *, met: bool, force: bool) -> Bundle:
    """Write the bundle of a variant at `out` or at `out`.rejected, with the results in its manifest."""
    row = stages.table.row(name)
    made = stages.bundles.get(row.candidate.graph)
    scores = (stages.table.gate.get(row.function), stages.table.report.get(row.function))
    gate, report = (None if score is None else score.result.to_json() for score in scores)
    if gate is not None:
        gate[PIXELS] = joined(stages.bundles.splits.gate_pixels.pixels)
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
        gate=gate,
        instruction_sets=() if gate is None else cpu_features(),
        provenance={**made.manifest.provenance, "report": report, "tune": summary},
    )
    files = {file: made.read(file) for file in made.manifest.files}
    place = out if met else out.with_name(f"{out.name}{REJECTED}")
    return write_bundle(place, manifest, files, force=force)


def _begun_with(
    source: Source, dataset: Dataset, settings: TuneSettings, machine: dict[str, Any]
) -> dict[str, Any]:
    """Everything that figures depend on: a tuning that is resumed must have the same."""
    return {
        "xopt": __version__,
        "source": source.digest,
        "data": {name: split.digest for name, split in dataset.splits.items()},
        # The objective changes no figure: the same work serves another one.
        "settings": {key: value for key, value in settings.to_json().items() if key not in CHANGEABLE},
        "machine": {key: machine[key] for key in ("cpu", "cores", "features", "libraries")},
    }
