"""How many layers of an INT8 network have to return to floating point, without asking the gate.

Shape suffixes: N images, M = N * windows, C classes, H x W pixels.
"""

from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.images.preprocessing import Preprocessing
from ..gate.gate import GateResult
from .layer_sensitivity import network_logits, ranking_crops
from .revert_layers import return_layers
from .subgraph import cut_network

if TYPE_CHECKING:
    import openvino

FIRST_LEVEL = 0.05
"""How often the first ask, that about plain INT8, passes a network at the margin."""
LATER_ASKS = 2
LATER_LEVEL = 0.01
"""How often all later asks together may pass a network at the margin; the first has its own."""
_AIM = 0.75
"""Part of the margin that the bound is meant to take, since it is predicted from a few images."""


class Chooser:
    """How many layers have to return, by the error of the logits on calibration images.

    A random error of r standard deviations of the logits shrinks the distance between sick and healthy by
    1 / sqrt(1 + r^2), so a drop in AUC goes about with a(r) = 1 - 1 / sqrt(1 + r^2), and its standard error
    with the square root of that. Both are known for plain INT8, and scaled from there.
    """

    def __init__(
        self,
        parent: "openvino.Model",
        plain: "openvino.Model",
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
