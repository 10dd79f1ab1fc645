"""The macro space: networks of choice blocks in three stages (after Su et al., CVPR 2021).

3^8 = 6,561 codes by default. A block that is an identity at stride 1 is nothing, so that 3,969 networks are
left; their codes are those with such identities behind the other blocks of their stage.

Shape suffixes: N networks, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..models.macro import OPERATIONS, Skeleton
from ..runtime.errors import UsageError
from .space import Cost, thermometer


@dataclass(frozen=True, kw_only=True)
class MacroSpace:
    """All networks on one skeleton; see nas.space.Space."""

    skeleton: Skeleton = field(default_factory=Skeleton)
    """Stem, stages, widths and head."""
    classes: int = 5
    """Outputs."""
    channels: int = 3
    """Input planes, 1 or 3."""
    size: int = 32
    """Side of the input in pixels."""
    name: str = "macro"

    def __post_init__(self) -> None:
        if self.classes < 1 or self.size < 1:
            raise UsageError(
                f"a space needs at least 1 class and 1 pixel, got {self.classes} and {self.size}"
            )
        if self.channels not in (1, 3):
            raise UsageError(f"channels must be 1 or 3, got {self.channels}")

    @property
    def choices(self) -> tuple[int, ...]:
        """Three operations for every block."""
        return (OPERATIONS,) * sum(self.skeleton.depths)

    def canonical(self, code: str) -> str:
        """The code with identities that are nothing moved behind the other blocks of their stage.

        Raises:
            UsageError: not a code of this space.
        """
        return self.skeleton.canonical(code)

    def cost(self, code: str) -> Cost:
        """Parameters and multiply-accumulates; nothing is built.

        Raises:
            UsageError: not a code of this space.
        """
        plan = self.skeleton.spec(code, classes=self.classes, channels=self.channels)
        return Cost(parameters=plan.parameters, macs=plan.macs(self.size))

    def features(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """For each block of the canonical code, "at least 1" and "at least 2": float64 (N, F), 0 or 1."""
        return thermometer([self.canonical(code) for code in codes], self.choices)

    def architecture(self, code: str) -> str:
        """The name by which `models.registry.build` builds the network: that of its canonical code."""
        return self.skeleton.name(self.canonical(code))

    def input_size(self, code: str) -> int:
        """Side in pixels of what the network is trained on: the same for all codes."""
        self.skeleton.check(code)
        return self.size
