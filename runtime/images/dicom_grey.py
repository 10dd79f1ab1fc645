"""From stored values to grey: modality and VOI transformations of DICOM PS3.3 C.11, as one table.

Shapes: V stored values. Transformations are computed in float64 for every value that can be stored (at most
65,536), rounded once at the end; the image is then looked up in the table.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


@dataclass(frozen=True, kw_only=True)
class Rescale:
    """Stored value to modality value, by a line (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.slope, self.intercept]).all() or self.slope == 0:
            raise ValueError("the rescale slope must be finite and not 0, the intercept finite.")

    def apply(self, values_V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modality values of stored values."""
        return values_V * self.slope + self.intercept


@dataclass(frozen=True, kw_only=True)
class Lut:
    """A look-up table for modality or VOI values (PS3.3 C.11.1.1.1, C.11.2.1.1)."""

    first: int
    """The value that the first entry is for."""
    entries: NDArray[np.uint16]
    bits: int
    """Bits of an entry, 8..16."""

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 16 or not len(self.entries):
            raise ValueError("a look-up table must have entries of 8 to 16 bits.")
        if int(self.entries.max()) >> self.bits:
            raise ValueError("an entry of a look-up table has more bits than the table says.")

    def apply(self, values_V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Entries for values; those beyond the table's ends get its first or last entry."""
        index_V = np.clip(np.rint(values_V) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[index_V], dtype=np.float64)

    def shade(self, values_V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Brightness in 0..1: the table's full range is black to white."""
        return np.asarray(self.apply(values_V) / float((1 << self.bits) - 1))


@dataclass(frozen=True, kw_only=True)
class Window:
    """The values that are spread from black to white (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    centre: float
    width: float
    function: str = LINEAR

    def __post_init__(self) -> None:
        least = 1 if self.function == LINEAR else 0
        if not np.isfinite([self.centre, self.width]).all() or self.width < least or self.width == 0:
            raise ValueError("a window must be finite, its width at least 1 (LINEAR) or above 0.")
        if self.function not in (LINEAR, LINEAR_EXACT, SIGMOID):
            raise ValueError("a VOI LUT function must be LINEAR, LINEAR_EXACT or SIGMOID.")

    def shade(self, values_V: NDArray[np.float64]) -> NDArray[np.float64]:
        """Brightness in 0..1 of modality values."""
        if self.function == SIGMOID:
            # An exponential too large to hold is infinite, and so black.
            odds_V = np.exp(-4 * (values_V - self.centre) / self.width)
            return np.asarray(1 / (1 + odds_V), dtype=np.float64)
        if self.function == LINEAR_EXACT:
            return np.clip((values_V - self.centre) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values_V > self.centre - 0.5).astype(np.float64)
        return np.clip((values_V - (self.centre - 0.5)) / (self.width - 1) + 0.5, 0, 1)


def stretch(values_V: NDArray[np.float64], lowest: float, highest: float) -> NDArray[np.float64]:
    """Brightness in 0..1 with `lowest` black and `highest` white; all black where they are the same."""
    if highest <= lowest:
        return np.zeros_like(values_V)
    return np.clip((values_V - lowest) / (highest - lowest), 0, 1)


def to_grey(brightness_V: NDArray[np.float64], *, inverted: bool) -> NDArray[np.uint8]:
    """Grey 0..255, rounded; inverted for MONOCHROME1, whose lowest values are shown white."""
    grey_V = np.rint(brightness_V * 255).astype(np.uint8)
    return 255 - grey_V if inverted else grey_V
