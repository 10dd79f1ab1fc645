"""The networks there are to choose from: all of a small space, or fresh draws from a large one.

Shape suffixes: N networks, F features.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from .problem import Problem
from .space import Space

Listing = tuple[list[str], dict[str, int], NDArray[np.float64]]

ENUMERABLE = 50_000
"""Codes up to which a space can be listed."""
_TRIES = 50
"""Draws for each network wanted, after which a large space counts as having no more."""


class CandidateSet:
    """The canonical, allowed networks of a problem."""

    def __init__(self, problem: Problem) -> None:
        self.space, self._allowed = problem.space, problem.allowed
        self._verdicts: dict[str, bool] = {}
        self._listing: Listing | None = None

    @property
    def enumerable(self) -> bool:
        """True where all networks can be listed."""
        return prod(self.space.choices) <= ENUMERABLE

    def allows(self, code: str) -> bool:
        """Check that a canonical code is within the limits; worked out once a code."""
        if code not in self._verdicts:
            self._verdicts[code] = self._allowed(code)
        return self._verdicts[code]

    def all_networks(self) -> Listing:
        """All networks of an enumerable space, sorted; the place of each; their features float64 (N, F)."""
        if self._listing is None:
            # mypy takes no protocol for hashable; a space is frozen.
            codes, features_NF = _networks(self.space)  # type: ignore[arg-type]
            kept = [index for index, code in enumerate(codes) if self.allows(code)]
            own = [codes[index] for index in kept]
            self._listing = own, {code: place for place, code in enumerate(own)}, features_NF[kept]
        return self._listing

    def draw(self, random: np.random.Generator, count: int, *, without: Iterable[str] = ()) -> list[str]:
        """Up to `count` distinct networks, each code of the space about as likely as any other.

        Fewer come where the space has no more: surely so in a space that can be listed, in a larger one
        after many draws in vain.
        """
        taken = set(without)
        drawn: list[str] = []
        for _ in range(_TRIES * count):
            if len(drawn) == count:
                return drawn
            code = self._draw_one(random)
            if code is not None and code not in taken:
                taken.add(code)
                drawn.append(code)
        if self.enumerable:
            rest = [code for code in self.all_networks()[0] if code not in taken]
            drawn += [rest[index] for index in random.permutation(len(rest))[: count - len(drawn)]]
        return drawn

    def neighbours(self, code: str) -> list[str]:
        """The allowed networks that differ from one in a single digit, sorted."""
        found = {self.space.canonical(other) for other in _one_apart(self.space, code)}
        return sorted(other for other in found - {code} if self.allows(other))

    def _draw_one(self, random: np.random.Generator) -> str | None:
        """A network, or None. In a space too large to list, one beyond the limits is lowered until within."""
        digits = [int(random.integers(count)) for count in self.space.choices]
        code = self.space.canonical("".join(map(str, digits)))
        while not self.allows(code):
            # Limits are upper ones, and a lower digit is usually the cheaper operation.
            above = [place for place, digit in enumerate(digits) if digit]
            if self.enumerable or not above:
                return None
            place = above[int(random.integers(len(above)))]
            digits[place] = int(random.integers(digits[place]))
            code = self.space.canonical("".join(map(str, digits)))
        return code


@lru_cache(maxsize=4)
def _networks(space: Space) -> tuple[list[str], NDArray[np.float64]]:
    codes = sorted({space.canonical(code) for code in _all_codes(space)})
    return codes, space.features(codes)


def _all_codes(space: Space) -> Iterator[str]:
    digits = ("".join(map(str, range(count))) for count in space.choices)
    return ("".join(code) for code in product(*digits))


def _one_apart(space: Space, code: str) -> Iterator[str]:
    for place, count in enumerate(space.choices):
        for digit in range(count):
            if str(digit) != code[place]:
                yield f"{code[:place]}{digit}{code[place + 1 :]}"
