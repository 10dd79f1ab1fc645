"""A space small enough to look through: five layers of three operations in two stages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xopt.nas import Cost, Limits, Problem, Trial
from xopt.runtime.errors import UsageError

_STAGES = ((0, 2), (2, 5))


@dataclass(frozen=True)
class SmallSpace:
    """Operation 0 is nothing: within a stage it counts only how many there are."""

    name: str = "small"
    choices: tuple[int, ...] = (3, 3, 3, 3, 3)

    def canonical(self, code: str) -> str:
        if len(code) != 5 or not set(code) <= set("012"):
            raise UsageError(f"{code!r} is no network of this space")
        stages = [code[a:b] for a, b in _STAGES]
        return "".join(stage.replace("0", "") + "0" * stage.count("0") for stage in stages)

    def cost(self, code: str) -> Cost:
        parameters = 100 + sum((layer + 1) * int(digit) * 10 for layer, digit in enumerate(code))
        return Cost(parameters=parameters, macs=7 * parameters)

    def features(self, codes: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[float(d >= t) for d in map(int, code) for t in (1, 2)] for code in codes])

    def architecture(self, code: str) -> str:
        return f"small-{code}"

    def input_size(self, code: str) -> int:
        return 32


LIMITS = Limits(parameters=330)
"""What keeps the largest networks out: 22222 has 400."""


def problem(*, limits: Limits = LIMITS) -> Problem:
    space = SmallSpace()
    return Problem(space=space, allowed=lambda code: limits.allow(space.cost(code)), objective="mean AUC")


def value(code: str) -> float:
    """A mean AUC that grows with size and has a preference of its own."""
    return 0.6 + 0.3 * sum(map(int, code)) / 10 + 0.02 * (code[0] == "1")


def trials(*codes: str) -> list[Trial]:
    return [Trial(code=code, value=value(code)) for code in codes]
