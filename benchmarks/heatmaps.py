"""Do a candidate's heatmaps show the same places as the reference's?

An AUC says that answers stayed, not that they stayed for the same reason. For every finding that an image is
labelled with, the activation maps of both are laid over the resized image and compared: by Pearson's
correlation over the pixels, by the places of their peaks (as in the pointing game of Zhang et al., "Top-down
Neural Attention by Excitation Backprop", 2016), and by the overlap of their strongest tenths.

Shape suffixes: N images, C classes, V views, H x W pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split
from ..metrics.scores import Labels
from ..runtime.backends.base import Backend
from ..runtime.console import progress
from ..runtime.heatmap import assemble
from ..runtime.images.preprocessing import Preprocessing

POINTING_TOLERANCE = 1 / 16
"""Peaks at most this share of the image's side apart, down and across, count as one place."""
STRONGEST = 0.1
"""Share of the pixels whose overlap is measured."""


@dataclass(frozen=True, kw_only=True)
class MapAgreement:
    """Agreement of two heatmaps of one image and class."""

    correlation: float
    """Pearson's, over the pixels that both saw, -1..1; 0 where one of the maps is flat."""
    same_peak: bool
    """Whether the strongest pixels are at most POINTING_TOLERANCE apart."""
    overlap: float
    """Intersection over union of each map's strongest tenth, 0..1."""


@dataclass(frozen=True, kw_only=True)
class HeatmapAgreement:
    """Agreement of two models' heatmaps, over the findings that images are labelled with."""

    images: int
    """Images with at least one finding that were looked at."""
    maps: int
    """Pairs of heatmaps: one for every image and finding it has."""
    correlation_median: float
    correlation_p10: float
    """Nine of ten pairs correlate better."""
    pointing_agreement: float
    """Share of the pairs with the same peak, 0..1."""
    overlap_median: float

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "images": self.images,
            "maps": self.maps,
            "correlation": {"median": self.correlation_median, "p10": self.correlation_p10},
            "pointing_agreement": self.pointing_agreement,
            "overlap": {"median": self.overlap_median},
        }


def images_with_findings(split: Split, count: int) -> Split:
    """At most `count` images of a split, spread over those that are labelled with a finding."""
    return split.select(np.flatnonzero((split.marked_labels == 1).any(axis=1))).spread(count)


def compare_heatmaps(
    reference: Backend,
    candidate: Backend,
    images_NHW: NDArray[np.uint8],
    labels_NC: Labels,
    preprocessing: Preprocessing,
    *,
    candidate_preprocessing: Preprocessing | None = None,
) -> HeatmapAgreement | None:
    """Compare the heatmaps of two graphs over the findings of labelled images.

    Args:
        reference: a graph opened with its activation maps (`maps=True`).
        candidate: another, of the same classes.
        images_NHW: resized images, uint8 (N, size, size).
        labels_NC: 0 or 1, or -1 where one is not known; only findings that are there (1) are compared.
        preprocessing: the reference's, for the places of its views.
        candidate_preprocessing: the candidate's, where it has another crop plan.

    Returns:
        None where no image has a finding whose map says anything.

    Raises:
        BundleError: a graph gives no activation maps.
        ValueError: images, labels or sizes do not fit each other.
    """
    plans = (preprocessing, candidate_preprocessing or preprocessing)
    if len(images_NHW) != len(labels_NC):
        raise ValueError(f"{len(images_NHW)} images need as many rows of labels, got {len(labels_NC)}.")
    if plans[0].size != plans[1].size:
        raise ValueError(f"both need images of one size, got {plans[0].size} and {plans[1].size}.")
    shown = np.flatnonzero((labels_NC == 1).any(axis=1))
    found: list[MapAgreement] = []
    images = 0
    for index in progress(shown, label="heatmaps", total=shown.size):
        both = [graph.activation_maps(images_NHW[index]) for graph in (reference, candidate)]
        pairs = [
            compare_maps(
                *(assemble(maps_VCHW[:, c], plan) for maps_VCHW, plan in zip(both, plans, strict=True))
            )
            for c in np.flatnonzero(labels_NC[index] == 1)
        ]
        told = [pair for pair in pairs if pair is not None]
        found += told
        images += bool(told)
    return _summary(found, images) if found else None


def compare_maps(
    reference_HW: NDArray[np.floating[Any]], candidate_HW: NDArray[np.floating[Any]]
) -> MapAgreement | None:
    """Compare two heatmaps of one image.

    Neither the level nor the scale of a map counts, as in `runtime.heatmap.to_image`.

    Args:
        reference_HW: logits over the resized image, NaN where no view looked.
        candidate_HW: of the same shape.

    Returns:
        None where both maps are flat, or no pixel was seen by both: there is no place to compare.
    """
    seen_HW = np.isfinite(reference_HW) & np.isfinite(candidate_HW)
    if not seen_HW.any():
        return None
    one_S, other_S = reference_HW[seen_HW].astype(np.float64), candidate_HW[seen_HW].astype(np.float64)
    flat = [not values_S.max() > values_S.min() for values_S in (one_S, other_S)]
    if all(flat):
        return None
    if any(flat):
        # One shows a place and the other none.
        return MapAgreement(correlation=0.0, same_peak=False, overlap=0.0)
    apart = np.abs(_peak(reference_HW, seen_HW) - _peak(candidate_HW, seen_HW)).max()
    strong, strong_too = (values_S >= np.quantile(values_S, 1 - STRONGEST) for values_S in (one_S, other_S))
    return MapAgreement(
        correlation=float(np.corrcoef(one_S, other_S)[0, 1]),
        same_peak=bool(apart <= POINTING_TOLERANCE * max(seen_HW.shape)),
        overlap=float((strong & strong_too).sum() / (strong | strong_too).sum()),
    )


def _peak(heat_HW: NDArray[np.floating[Any]], seen_HW: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Row and column of the strongest pixel."""
    place = int(np.where(seen_HW, heat_HW, -np.inf).argmax())
    return np.array(np.unravel_index(place, heat_HW.shape))


def _summary(found: list[MapAgreement], images: int) -> HeatmapAgreement:
    median, p10 = np.quantile([pair.correlation for pair in found], [0.5, 0.1])
    return HeatmapAgreement(
        images=images,
        maps=len(found),
        correlation_median=float(median),
        correlation_p10=float(p10),
        pointing_agreement=float(np.mean([pair.same_peak for pair in found])),
        overlap_median=float(np.median([pair.overlap for pair in found])),
    )
