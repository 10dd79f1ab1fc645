"""The JSON that a report is made of, and numbers that remember where in it they stand.

A page that repeats numbers can come to differ from them. So no number is typed into a report: each is taken
from the JSON by `number`, and carries its place (a JSON pointer, RFC 6901) into the page, where anybody can
look it up again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ....benchmarks.latency import in_words

NOTHING = "–"
"""Stands where the JSON has null."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of the JSON as it is shown."""

    pointer: str
    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Styled:
    """Parts that look different."""

    style: Literal["small", "strong", "code"]
    parts: "Phrase"


@dataclass(frozen=True, kw_only=True)
class Swatch:
    """A dot in a figure's colour, beside the name that it stands for."""

    colour: str


Phrase = tuple["str | Number | Styled | Swatch", ...]
"""The text of a cell or a paragraph."""


class Fact:
    """A value of the JSON and its place. What is absent is a null, and so is everything within a null."""

    def __init__(self, value: Any, pointer: str = "") -> None:
        self.value = value
        self.pointer = pointer

    def __getitem__(self, key: str | int) -> "Fact":
        step = str(key).replace("~", "~0").replace("/", "~1")
        within = self.value
        if isinstance(within, Mapping):
            found = within.get(key)
        else:
            known = isinstance(within, list) and isinstance(key, int) and -len(within) <= key < len(within)
            found = within[key] if known else None
        return Fact(found, f"{self.pointer}/{step}")

    def __iter__(self) -> Iterator["Fact"]:
        """The entries of a list, none of a null."""
        for index in range(len(self.value or ())):
            yield self[index]

    def items(self) -> Iterator[tuple[str, "Fact"]]:
        """The members of an object, none of a null."""
        for key in self.value or ():
            yield str(key), self[key]

    @property
    def known(self) -> bool:
        """True where it is there and no null."""
        return self.value is not None

    @property
    def text(self) -> str:
        """A string as it is; anything else as nothing."""
        return self.value if isinstance(self.value, str) else NOTHING

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both bounds of an interval, for a figure; None where one is not known."""
        low, high = self[0].value, self[1].value
        return None if low is None or high is None else (float(low), float(high))

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """A list of points, for a figure."""
        return [(float(x), float(y)) for x, y in self.value or ()]


Form = str | Callable[[float], str]
"""A format specification of Python, or a function that writes a number."""

AUC = ".4f"
SHARE = ".3f"
SIZE = ",.1f"
"""In MB, and durations in seconds."""
COUNT = ",.0f"
TYPED = "g"
"""Settings and limits, as they were typed."""
P_VALUE = ".2g"
PARITY = ".1g"


def number(fact: Fact, form: Form) -> Phrase:
    """A number of the JSON in a form, or a dash where there is none."""
    if isinstance(fact.value, bool) or not isinstance(fact.value, int | float):
        return (NOTHING,)
    text = format(fact.value, form) if isinstance(form, str) else form(fact.value)
    return (Number(pointer=fact.pointer, value=fact.value, text=text),)


def interval(fact: Fact, form: Form) -> Phrase:
    """Two bounds in small print, `[0.71, 0.78]`; nothing where there are none."""
    if not fact.known:
        return ()
    return (
        " ",
        Styled(style="small", parts=("[", *number(fact[0], form), ", ", *number(fact[1], form), "]")),
    )


def with_interval(value: Fact, bounds: Fact, form: Form) -> Phrase:
    """A number with its bounds."""
    return (*number(value, form), *interval(bounds, form))


def bounds(fact: Fact, form: Form) -> Phrase:
    """Two bounds in a sentence, `0.71 to 0.78`."""
    return (*number(fact[0], form), " to ", *number(fact[1], form))


def signed(value: float) -> str:
    """A drop in AUC: its sign, and four digits; -0.0000 and 0.0000 are the same drop."""
    return f"{value:+.4f}" if abs(value) >= 5e-5 else "0.0000"


def short(value: float) -> str:
    """Three digits, as they come: a rate."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    """A speed-up: two digits behind the point where they mean something."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


milliseconds: Form = in_words


def billions(value: float) -> str:
    """A large count in billions."""
    return f"{value / 1e9:.3g}"
