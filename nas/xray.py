"""The X-ray space: 3^17 (129 million) networks for images of up to 224 pixels; see models.xray.

Shape suffixes: N networks, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models import xray
from ..runtime.errors import UsageError
from .space import Cost, thermometer


@dataclass(frozen=True, kw_only=True)
class XraySpace:
    """All X-ray networks; see nas.space.Space. Every code is a network of its own."""

    classes: int = 14
    """Outputs."""
    channels: int = 3
    """Input planes, 1 or 3."""
    name: str = xray.FAMILY

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise UsageError(f"a space needs at least 1 class, got {self.classes}")
        if self.channels not in (1, 3):
            raise UsageError(f"channels must be 1 or 3, got {self.channels}")

    @property
    def choices(self) -> tuple[int, ...]:
        """Three options for every digit."""
        return (xray.OPTIONS,) * xray.DIGITS

    def canonical(self, code: str) -> str:
        """The code itself.

        Raises:
            UsageError: not a code of this space.
        """
        xray.check(code)
        return code

    def cost(self, code: str) -> Cost:
        """Parameters, and multiply-accumulates at the code's resolution; nothing is built.

        Raises:
            UsageError: not a code of this space.
        """
        plan = xray.spec(code, classes=self.classes, channels=self.channels)
        return Cost(parameters=plan.parameters, macs=plan.macs(xray.resolution(code)))

    def features(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """For each digit, "at least 1" and "at least 2": float64 (N, F), 0 or 1."""
        return thermometer([self.canonical(code) for code in codes], self.choices)

    def architecture(self, code: str) -> str:
        """The name by which `models.registry.build` builds the network."""
        return f"{xray.FAMILY}-{self.canonical(code)}"

    def input_size(self, code: str) -> int:
        """The code's resolution in pixels."""
        return xray.resolution(code)
