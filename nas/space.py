"""Search spaces: networks by code, their canonical form, and their costs in closed form.

Shape suffixes: N networks, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Costs of a network, known before it is built."""

    parameters: int
    """Trainable weights."""
    macs: int
    """Multiply-accumulates of one image's inference."""

    @property
    def memory_mb(self) -> float:
        """Megabytes (1e6 bytes) of the weights in float32."""
        return self.parameters * 4 / 1e6


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper limits on a network's costs; None leaves a cost free."""

    parameters: int | None = None
    macs: int | None = None

    def allow(self, cost: Cost) -> bool:
        """Check that `cost` is within every limit."""
        return (self.parameters is None or cost.parameters <= self.parameters) and (
            self.macs is None or cost.macs <= self.macs
        )


class Space(Protocol):
    """A set of networks, each written as a string of digits: the operation of each layer.

    Frozen and hashable: what is worked out for a space is kept for all that are equal to it.
    """

    @property
    def name(self) -> str:
        """The name given to `--space`."""
        ...

    @property
    def choices(self) -> tuple[int, ...]:
        """Number of operations that each layer chooses from, in the order of a code's digits; at most 10."""
        ...

    def canonical(self, code: str) -> str:
        """The code that stands for all codes of the same network.

        Raises:
            UsageError: not a code of this space; the message says what a code looks like.
        """
        ...

    def cost(self, code: str) -> Cost:
        """Costs of a network, in closed form: nothing is built."""
        ...

    def features(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """Features that a surrogate learns from, float64 (N, F): the same for all codes of one network."""
        ...

    def architecture(self, code: str) -> str:
        """The name by which `models.registry.build` builds the network."""
        ...

    def input_size(self, code: str) -> int:
        """Side in pixels of the square image that the network is trained on and deployed with."""
        ...


def thermometer(codes: Sequence[str], choices: Sequence[int]) -> NDArray[np.float64]:
    """For each digit, whether it is at least 1, at least 2, ...: float64 (N, F), 0 or 1.

    A weight is then what one step up is worth, at whatever digit a network stands.

    Args:
        codes: of one length.
        choices: how many values each digit has.
    """
    digits = np.array([list(code.encode("ascii")) for code in codes], dtype=np.int64).reshape(
        -1, len(choices)
    )
    digits -= ord("0")
    columns = [digits[:, place] >= least for place, count in enumerate(choices) for least in range(1, count)]
    return np.stack(columns, axis=1).astype(np.float64)
