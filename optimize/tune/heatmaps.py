"""Whether the chosen variant's heatmaps show the same places as the reference's."""

from typing import TYPE_CHECKING, Any

from ...benchmarks.heatmaps import compare_heatmaps, images_with_findings
from ...datasets import load_images
from ...runtime.backends import open_backend

if TYPE_CHECKING:
    from .stages import Stages

KEPT = "heatmaps"


def heatmap_facts(stages: "Stages", chosen: str | None) -> dict[str, Any] | None:
    """Agreement of heatmaps on images of the report split; None where none are compared.

    Args:
        stages: with the reference and the chosen variant.
        chosen: its name.
    """
    count = stages.workshop.settings.heatmaps
    if chosen is None or not count:
        return None
    function = stages.board.row(chosen).function
    kept = stages.folder.get(KEPT)
    if kept is not None and kept["function"] == function:
        facts: dict[str, Any] | None = kept["facts"]
        return facts
    bundles = [stages.bundle_of(name) for name in (stages.board.function, function)]
    plans = [bundle.manifest.preprocessing for bundle in bundles]
    shown = images_with_findings(stages.roles.report, count)
    if not len(shown) or any(len(bundle.manifest.outputs) < 2 for bundle in bundles):
        return None
    backends = [open_backend(bundle, maps=True) for bundle in bundles]
    agreement = compare_heatmaps(
        backends[0],
        backends[1],
        load_images(shown, plans[0]),
        shown.marked_labels,
        plans[0],
        candidate_preprocessing=plans[1],
    )
    facts = None if agreement is None else agreement.to_json()
    stages.folder.keep(KEPT, {"function": function, "facts": facts})
    return facts
