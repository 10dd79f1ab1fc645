"""The canvas of a synthetic chest: coordinates, soft shapes, texture, and the final exposure.

Only exactly rounded arithmetic is used (+ - * / sqrt, comparisons, whole-number noise; no exp, sin or matrix
product, whose last bit depends on the CPU), so that one seed gives the same bytes on every machine.

Chest coordinates: x from -1 (image left, the patient's right) to 1, y from -1 (top) to 1. H, W: pixels.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

# float32 throughout; numpy's stubs take the product with a Python number for float64.
Plane = NDArray[np.floating[Any]]
Slices = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class View:
    """Position and exposure of one image, drawn anew for each."""

    shift_x: float
    shift_y: float
    turn: float
    """Sine of the rotation."""
    zoom: float
    inspiration: float
    """How far the diaphragm stands below its middle position."""
    gain: float
    contrast: float
    noise: float
    """Noise at mid grey, in grey levels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """One exposure being drawn; `density_HW` is painted on in place."""

    size: int
    view: View
    x_HW: Plane
    y_HW: Plane
    distance_HW: Plane
    """Distance from the midline, |x|."""
    outline_HW: Plane
    """Lung outline: 0 on its edge, towards 1 at its axis, negative outside."""
    diaphragm_HW: Plane
    """Height y of the diaphragm at each pixel's x."""
    density_HW: Plane

    def box(self, x: float, y: float, half_x: float, half_y: float) -> Slices:
        """The pixels that hold the chest rectangle x ± half_x, y ± half_y; possibly empty."""
        sine = self.view.turn
        cosine = sqrt(1 - sine * sine)
        dx, dy = (x - self.view.shift_x) / self.view.zoom, (y - self.view.shift_y) / self.view.zoom
        middles = dy * cosine - dx * sine, dx * cosine + dy * sine
        # The turn is small: it widens a box by its sine times the other side.
        halves = half_y + abs(sine) * half_x, half_x + abs(sine) * half_y
        edges = []
        for middle, half in zip(middles, halves, strict=True):
            low, high = middle - half / self.view.zoom, middle + half / self.view.zoom
            first, last = ((edge + 1) / 2 * self.size for edge in (low, high))
            edges.append(slice(min(max(int(first), 0), self.size), min(max(int(last) + 1, 0), self.size)))
        return edges[0], edges[1]

    def disc(self, x: float, y: float, radius_x: float, radius_y: float) -> tuple[Slices, Plane]:
        """An ellipse's box and its profile there: 1 at the centre, 0 on the edge, clipped to 0 outside."""
        box = self.box(x, y, radius_x, radius_y)
        u = (self.x_HW[box] - x) / radius_x
        v = (self.y_HW[box] - y) / radius_y
        return box, np.clip(1 - u * u - v * v, 0, 1)


def soft_step(value: Plane, softness: float) -> Plane:
    """0 below -softness, 1 above softness, a cubic in between."""
    t = ramp(value, softness)
    return t * t * (3 - 2 * t)


def ramp(value: Plane, softness: float) -> Plane:
    """0 below -softness, 1 above softness, a straight line in between: half the work of `soft_step`."""
    t = value * (0.5 / softness)
    t += 0.5
    return np.clip(t, 0, 1, out=t)


def bell(random: np.random.Generator, middle: float, spread: float) -> float:
    """A bell-shaped number of about this standard deviation, at most 3.5 of them away (Irwin-Hall of 4)."""
    total = random.random() + random.random() + random.random() + random.random()
    return middle + spread * (total - 2) * sqrt(3)


def draw_view(random: np.random.Generator) -> View:
    """Draw one exposure's position and technique."""
    return View(
        shift_x=bell(random, 0, 0.025),
        shift_y=bell(random, 0, 0.03),
        turn=bell(random, 0, 0.018),
        zoom=bell(random, 1.0, 0.03),
        inspiration=bell(random, 0, 0.04),
        gain=bell(random, 1.0, 0.06),
        contrast=bell(random, 1.0, 0.08),
        noise=2.5 + 4 * random.random(),
    )


@lru_cache(maxsize=4)
def pixel_centres(size: int) -> tuple[Plane, Plane]:
    """Coordinates of pixel centres in -1..1: x (1, size) and y (size, 1)."""
    centres = ((np.arange(size, dtype=np.float32) * 2 + 1) / size - 1).astype(np.float32)
    return centres[np.newaxis, :], centres[:, np.newaxis]


def mottle(random: np.random.Generator, size: int, cells: int) -> Plane:
    """Soft random texture of zero mean and about unit spread, float32 (size, size), `cells` grains a side."""
    grain = -(-size // cells)
    coarse = _bytes(random, cells + 1, cells + 1).astype(np.float32)
    # A uniform byte has mean 127.5 and standard deviation 73.9; mixing neighbours takes a third of that.
    coarse -= 127.5
    coarse *= 1 / 50
    across = _stretched(coarse.T, grain)[:size]
    return _stretched(across.T, grain)[:size]


def _stretched(rows: Plane, grain: int) -> Plane:
    """Straight lines from each row to the next in `grain` steps: (n, m) to ((n - 1) * grain, m)."""
    share = np.tile(np.arange(grain, dtype=np.float32) * np.float32(1 / grain), len(rows) - 1)[:, np.newaxis]
    result = np.diff(rows, axis=0).repeat(grain, axis=0)
    result *= share
    result += rows[:-1].repeat(grain, axis=0)
    return result


def _bytes(random: np.random.Generator, *shape: int) -> NDArray[np.uint8]:
    """Uniform bytes, drawn eight at a time, which is four times as fast as one by one."""
    count = prod(shape)
    words = random.integers(0, 2**64, size=-(-count // 8), dtype=np.uint64)
    return words.astype("<u8", copy=False).view(np.uint8)[:count].reshape(shape)


def develop(canvas: Canvas, random: np.random.Generator) -> NDArray[np.uint8]:
    """Density to grey levels: exposure, then noise; uint8 (H, W)."""
    view = canvas.view
    density = np.clip(canvas.density_HW, 0.02, 2)
    # The film curve flattens towards dense tissue.
    grey = density * (285 * view.gain)
    grey /= density + 0.42 * view.contrast
    grains = _bytes(random, 4, canvas.size, canvas.size).sum(axis=0, dtype=np.uint16).astype(np.float32)
    # The sum of four bytes has mean 510 and standard deviation 147.8.
    grains -= 510
    grains *= density * 0.4 + 0.6
    grains *= view.noise / 147.8
    grey += grains
    grey += 0.5
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)
