"""The error of an INT8 network's logits from each layer alone, and how many layers have to return to FP32.

Measured on the logits of every item and not on an AUC, which takes many images and does not see an error
that leaves their order alone. Errors of layers that round independently add up in squares, so a group of
layers is measured at once, and only groups with much of the error are taken apart.

Shape suffixes: N images, M = N * windows, C classes, H x W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.openvino import FAST_START, PRECISION_HINT, import_openvino
from ...runtime.console import progress
from ...runtime.errors import UsageError
from ...runtime.images.preprocessing import Preprocessing
from ..gate.gate import GateResult
from .network import cut_network
from .nncf_ptq import calibration_crops
from .revert_layers import Part, parts, return_layers

if TYPE_CHECKING:
    import onnx

MEASUREMENTS = 48
"""Groups of layers that are measured; each takes a compilation."""
IMAGES = 8
"""Images of a ranking: with 14 classes, 112 items."""
_FIRST_GROUPS = 8
_SMALL = 0.02
"""A group with less than this share of the squared error is not taken apart."""
# Beyond this a float32 probability is 0 or 1.
_LEAST = 1e-7


@dataclass(frozen=True, kw_only=True)
class LayerEffect:
    """The effect on the logits of rounding one layer."""

    name: str
    """As in PyTorch; `NAME/output` for what rounds a layer's output on its way to no other layer."""
    error: float
    """Root mean square change of a logit when this alone is in 8 bits; for a layer that was measured in a
    group, the group's, shared equally in squares."""
    share: float
    """Of the sum of all squared errors, 0..1."""
    macs: int
    """Multiply-accumulates of one view."""
    group: int
    """How many layers were measured together; 1 for this one alone."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "name": self.name,
            "logit_rms": self.error,
            "share": self.share,
            "macs": self.macs,
            "measured_with": self.group,
        }


@dataclass(frozen=True)
class _Group:
    members: tuple[Part, ...]
    squared: float


def rank_layers(
    parent: "onnx.ModelProto",
    quantized: "onnx.ModelProto",
    images_NHW: NDArray[np.uint8],
    preprocessing: Preprocessing,
    *,
    images: int = IMAGES,
    measurements: int = MEASUREMENTS,
) -> tuple[LayerEffect, ...]:
    """The layers of a quantized graph, the most harmful first.

    Args:
        parent: the FP32 graph.
        quantized: made from it by `quantize_model`.
        images_NHW: of the role that calibrates, uint8 (N, size, size); never of one that gates or reports.
        preprocessing: the bundle's, for its views; each image gives one.
        images: how many of them are used, spread over all.
        measurements: at most as many groups are measured. Groups with little of the error stay together.

    Raises:
        UsageError: no image, or fewer than one measurement.
        BundleError: a graph that is not ours.
    """
    if not len(images_NHW) or images < 1 or measurements < 1:
        raise UsageError(
            "ranking needs at least 1 image and 1 measurement, got "
            f"{min(images, len(images_NHW))} and {measurements}"
        )
    crops = ranking_crops(images_NHW, preprocessing, images)
    original, rounded = cut_network(parent), cut_network(quantized)
    everything = parts(rounded)
    reference_MC = network_logits(original, crops)

    def squared_error(group: Sequence[Part]) -> float:
        inside = {part.name for part in group}
        others = [part.name for part in everything if part.name not in inside]
        logits_MC = network_logits(return_layers(original, rounded, others), crops)
        return float(np.square(logits_MC - reference_MC).mean())

    groups = _take_apart(everything, squared_error, measurements)
    total = sum(group.squared for group in groups) or 1.0
    effects = [
        LayerEffect(
            name=part.name,
            error=float(np.sqrt(group.squared / len(group.members))),
            share=group.squared / len(group.members) / total,
            macs=part.macs,
            group=len(group.members),
        )
        for group in groups
        for part in group.members
    ]
    return tuple(sorted(effects, key=lambda effect: -effect.error))


def ranking_crops(
    images_NHW: NDArray[np.uint8], preprocessing: Preprocessing, count: int
) -> list[NDArray[np.uint8]]:
    """One view of each of `count` images, spread over all of them; the views take turns."""
    chosen = np.unique(np.linspace(0, len(images_NHW) - 1, min(count, len(images_NHW))).round().astype(int))
    return calibration_crops(images_NHW[chosen], preprocessing, 1)


def network_logits(network: "onnx.ModelProto", crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """The logits of a network that was cut out, float64 (M, C): by crop and window, as OpenVINO answers."""
    settings = {"INFERENCE_PRECISION_HINT": PRECISION_HINT, "PERFORMANCE_HINT": "LATENCY", **FAST_START}
    core = import_openvino().Core()
    model = core.read_model(network.SerializeToString())
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    answers = []
    for crop_HW in crops:
        request.infer([crop_HW[np.newaxis, np.newaxis]], share_inputs=False)
        answers.append(np.array(request.get_output_tensor(0).data, dtype=np.float64)[0])
    probabilities_MC = np.concatenate(answers).clip(_LEAST, 1 - _LEAST)
    logits_MC: NDArray[np.float64] = np.log(probabilities_MC) - np.log1p(-probabilities_MC)
    return logits_MC


def _take_apart(
    everything: Sequence[Part], squared_error: Callable[[Sequence[Part]], float], measurements: int
) -> list[_Group]:
    """Halve the group with most of the error while one has much of it and measurements are left."""
    count = min(_FIRST_GROUPS, measurements, len(everything))
    pieces = [
        everything[i * len(everything) // count : (i + 1) * len(everything) // count] for i in range(count)
    ]
    bar = progress(range(measurements), label="ranking layers", total=measurements)

    def measured(members: Sequence[Part]) -> _Group:
        next(bar)
        return _Group(tuple(members), squared_error(members))

    groups = [measured(piece) for piece in pieces]
    spent = count
    while spent + 2 <= measurements:
        wide = [group for group in groups if len(group.members) > 1]
        if not wide:
            break
        worst = max(wide, key=lambda group: group.squared)
        if worst.squared <= _SMALL * sum(group.squared for group in groups):
            break
        groups.remove(worst)
        middle = len(worst.members) // 2
        groups += [measured(worst.members[:middle]), measured(worst.members[middle:])]
        spent += 2
    return groups


FIRST_LEVEL = 0.05
"""How often the first ask, that about plain INT8, passes a network at the margin."""
LATER_ASKS = 2
LATER_LEVEL = 0.01
"""How often all later asks together may pass a network at the margin; the first has its own."""
_AIM = 0.75
"""Part of the margin that the bound is meant to take, since it is predicted from a few images."""


class Chooser:
    """Finds how many layers have to return, by the error of the logits on calibration images.

    A random error of r standard deviations of the logits shrinks the distance between sick and healthy by
    1 / sqrt(1 + r^2), so a drop in AUC goes about with a(r) = 1 - 1 / sqrt(1 + r^2), and its standard error
    with the square root of that. Both are known for plain INT8, and scaled from there.
    """

    def __init__(
        self,
        parent: "onnx.ModelProto",
        plain: "onnx.ModelProto",
        gate: GateResult,
        names: list[str],
        images_NHW: NDArray[np.uint8],
        preprocessing: Preprocessing,
        images: int,
    ) -> None:
        self._original, self._rounded = cut_network(parent), cut_network(plain)
        self._crops = ranking_crops(images_NHW, preprocessing, images)
        self._names, self._gate = names, gate
        self._reference_MC = network_logits(self._original, self._crops)
        self._errors: dict[int, float] = {}

    def error(self, count: int) -> float:
        """Root mean square error of a logit once the first `count` have returned."""
        if count not in self._errors:
            model = return_layers(self._original, self._rounded, self._names[:count])
            error_MC = network_logits(model, self._crops) - self._reference_MC
            self._errors[count] = float(np.sqrt(np.square(error_MC).mean()))
        return self._errors[count]

    def choose(self) -> int:
        """The fewest that are expected to pass, all where none are."""
        low, high = 0, 1
        while high < len(self._names) and not self._enough(high):
            low, high = high, 2 * high
        high = min(high, len(self._names))
        while high - low > max(1, high // 8):
            middle = (low + high) // 2
            low, high = (low, middle) if self._enough(middle) else (middle, high)
        return high

    def _enough(self, count: int) -> bool:
        spread = float(np.sqrt(self._reference_MC.var(axis=0).mean()))
        part = _lost(self.error(count) / spread) / max(_lost(self.error(0) / spread), 1e-12)
        level = LATER_LEVEL / LATER_ASKS
        z = NormalDist().inv_cdf(1 - level)
        settings, drop = self._gate.settings, self._gate.verdict.drop
        above = drop.upper_at(level) - drop.drop
        bounds = [(max(drop.drop, 0) * part + above * sqrt(part), settings.max_auc_drop)]
        if settings.max_class_auc_drop is not None:
            bounds += [
                (
                    max(finding.drop.drop, 0) * part + z * finding.drop.standard_error * sqrt(part),
                    settings.max_class_auc_drop,
                )
                for finding in self._gate.findings
                if finding.drop is not None and finding.judged not in (None, "not_tested")
            ]
        return all(bound <= _AIM * margin for bound, margin in bounds)


def _lost(ratio: float) -> float:
    return 1 - 1 / sqrt(1 + ratio**2)
