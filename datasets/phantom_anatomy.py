"""A synthetic chest in frontal view: what a healthy phantom looks like, drawn as density.

No patient's image went into this. Only exactly rounded arithmetic is used (+ - * / sqrt, comparisons,
whole-number noise; no exp, sin or matrix product, whose last bit depends on the CPU), so that one seed gives
the same bytes on every machine.

Chest coordinates: x from -1 (image left, the patient's right) to 1, y from -1 (top) to 1. H, W: pixels.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Slices = tuple[slice, slice]

LUNG_Y, LUNG_HEIGHT = 0.15, 0.97
"""Centre and semi-axis of both lungs' outline along y."""


@dataclass(frozen=True, kw_only=True)
class Vessel:
    """A lung vessel: from (x, y) at the hilum by (run, drop) outwards, bent aside by `bend` half way."""

    x: float
    y: float
    run: float
    drop: float
    bend: float
    half_width: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """What stays the same over one patient's images. Lengths are in chest coordinates."""

    lung_width: float
    """Semi-axis of a lung's outline along x."""
    lung_x: float
    """Distance of a lung's axis from the midline."""
    dome: float
    """Height of the diaphragm's dome."""
    dome_difference: float
    """How much lower the diaphragm stands on the patient's left."""
    heart: float
    """Half the heart's width."""
    heart_x: float
    """The heart's centre, towards the patient's left."""
    mediastinum: float
    """Half the mediastinum's width."""
    rib_spacing: float
    rib_phase: float
    rib_contrast: float
    body: float
    """Half the trunk's width."""
    vessels: tuple["Vessel", ...]


@dataclass(frozen=True, kw_only=True)
class View:
    """What changes from one exposure to the next."""

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


def draw_anatomy(random: np.random.Generator) -> Anatomy:
    """Draw one healthy patient."""
    lung_x = bell(random, 0.43, 0.012)
    return Anatomy(
        lung_width=bell(random, 0.375, 0.014),
        lung_x=lung_x,
        dome=bell(random, 0.22, 0.03),
        dome_difference=bell(random, 0.06, 0.02),
        heart=bell(random, 0.345, 0.022),
        heart_x=bell(random, 0.14, 0.02),
        mediastinum=bell(random, 0.135, 0.015),
        rib_spacing=bell(random, 0.17, 0.008),
        rib_phase=random.random(),
        rib_contrast=bell(random, 0.10, 0.02),
        body=bell(random, 0.97, 0.03),
        vessels=tuple(_draw_vessel(random, side) for side in (-1, 1) for _ in range(8)),
    )


def _draw_vessel(random: np.random.Generator, side: int) -> Vessel:
    # Vessels fan out from the hilum, most of them downwards.
    return Vessel(
        x=side * bell(random, 0.20, 0.03),
        y=bell(random, 0.02, 0.09),
        run=side * (0.12 + 0.28 * random.random()),
        drop=-0.42 + 0.90 * random.random(),
        bend=bell(random, 0, 0.05),
        half_width=0.010 + 0.010 * random.random(),
    )


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
def _grid(size: int) -> tuple[Plane, Plane]:
    centres = ((np.arange(size, dtype=np.float32) * 2 + 1) / size - 1).astype(np.float32)
    return centres[np.newaxis, :], centres[:, np.newaxis]


def start(size: int, anatomy: Anatomy, view: View) -> Canvas:
    """Lay out the chest's coordinates and lung outlines; nothing is painted yet."""
    column, row = _grid(size)
    sine = view.turn
    cosine = sqrt(1 - sine * sine)
    x = column * (cosine * view.zoom) - (row * (sine * view.zoom) - view.shift_x)
    y = column * (sine * view.zoom) + (row * (cosine * view.zoom) + view.shift_y)
    distance = np.abs(x)
    # A lung's axis leans towards the midline at its apex.
    above = np.clip(LUNG_Y - y, 0, 2)
    above *= above
    across = distance + above * 0.13
    across -= anatomy.lung_x
    across *= across * (1 / anatomy.lung_width**2)
    along = (y - LUNG_Y) * (1 / LUNG_HEIGHT)
    diaphragm = np.clip(1.1 - across, 0, 1.1) * -anatomy.dome
    diaphragm += anatomy.dome_difference * (x > 0)
    diaphragm += 0.66 + view.inspiration
    return Canvas(
        size=size,
        view=view,
        x_HW=x,
        y_HW=y,
        distance_HW=distance,
        outline_HW=1 - across - along * along,
        diaphragm_HW=diaphragm,
        density_HW=np.zeros((size, size), dtype=np.float32),
    )


def paint_trunk(canvas: Canvas, anatomy: Anatomy) -> None:
    """Soft tissue: trunk, shoulders, neck, and the abdomen below the diaphragm."""
    y, distance = canvas.y_HW, canvas.distance_HW
    slope = np.clip(distance - 0.28, 0, 1)
    shoulder = slope * (1.15 - 0.75 * slope) - 1.12
    # The arms hang beside the trunk: wide shoulders, a waist below the armpits.
    arms = np.clip(-0.10 - y, 0, 1)
    flank = arms * arms * 0.9 - distance + anatomy.body
    flesh = ramp(y - canvas.diaphragm_HW, 0.3) * 0.14
    flesh += 0.74
    flesh -= distance * distance * 0.20
    flesh *= ramp(y - shoulder, 0.035)
    flesh *= ramp(flank, 0.03)
    canvas.density_HW[:] = flesh


def paint_lungs(canvas: Canvas, bottom_HW: Plane) -> Plane:
    """Take the air of both lungs out of the trunk, down to `bottom_HW`.

    Returns:
        float32 (H, W), how much lung a ray crosses there, 0..1.
    """
    # A ray through an ellipsoid crosses the square root of the outline's height: steep edge, flat middle.
    air = np.sqrt(np.clip(canvas.outline_HW * 2.0, 0, 1))
    air *= ramp(bottom_HW - canvas.y_HW, 0.018)
    canvas.density_HW[:] -= 0.50 * air
    return air


def paint_middle(canvas: Canvas, anatomy: Anatomy, heart: float, bottom_HW: Plane) -> Slices:
    """Mediastinum, aortic knob, heart, windpipe and spine.

    Args:
        canvas: painted with trunk and lungs.
        anatomy: the patient's.
        heart: half the heart's width as it shows here.
        bottom_HW: where the lungs end, as given to `paint_lungs`.

    Returns:
        the heart's box.
    """
    box = canvas.box(0, 0, 0.75, 1.4)
    x, y, distance = canvas.x_HW[box], canvas.y_HW[box], canvas.distance_HW[box]
    half_width = np.clip(-0.50 - y, 0, 1) * 0.12 + np.clip(y + 0.1, 0, 1) * 0.05
    shadow = soft_step(half_width + anatomy.mediastinum - distance, 0.05)
    shadow = np.maximum(shadow, _aortic_knob(x, y))
    shadow = np.maximum(shadow, _heart(canvas, anatomy, heart, x, y))
    # Abdomen and fluid are as dense as the heart: no edge shows below the lungs.
    shadow *= 1 - 0.8 * ramp(y - bottom_HW[box], 0.10)
    windpipe = np.clip(1 - distance * distance * (1 / 0.045**2), 0, 1)
    shadow -= 0.42 * windpipe * ramp(-0.26 - y, 0.08)
    height = y * (1 / 0.125)
    gap = np.abs(height - np.floor(height) - 0.5)
    shadow += ramp(0.40 - gap, 0.08) * ramp(0.095 - distance, 0.02) * 0.13
    canvas.density_HW[box] += 0.40 * shadow
    return canvas.box(*_heart_centre(canvas, anatomy, heart), heart, 0.8 * heart)


def _aortic_knob(x: Plane, y: Plane) -> Plane:
    dx, dy = (x - 0.10) * (1 / 0.125), (y + 0.30) * (1 / 0.13)
    return np.sqrt(np.clip((1 - dx * dx - dy * dy) * 1.5, 0, 1)) * 0.9


def _heart_centre(canvas: Canvas, anatomy: Anatomy, heart: float) -> tuple[float, float]:
    # A heart enlarges mostly towards the patient's left.
    return anatomy.heart_x + 0.35 * (heart - anatomy.heart), 0.36 + 0.8 * canvas.view.inspiration


def _heart(canvas: Canvas, anatomy: Anatomy, heart: float, x: Plane, y: Plane) -> Plane:
    x0, y0 = _heart_centre(canvas, anatomy, heart)
    u, v = (x - x0) * (1 / heart), (y - y0) * (1 / (0.86 * heart))
    # Its long axis points down to the patient's left.
    shape = 1 - u * (u - 0.5 * v) - v * v
    return np.sqrt(np.clip(shape * 2.2, 0, 1)) * 1.05


def paint_bones(canvas: Canvas, anatomy: Anatomy) -> None:
    """Ribs, back and front, and collar bones."""
    rows = canvas.box(0, -0.2, 1.2, 1.2)[0]
    y, distance = canvas.y_HW[rows], canvas.distance_HW[rows]
    square = distance * distance
    inside = ramp(canvas.outline_HW[rows] + 0.22, 0.12)
    inside *= ramp(0.80 - y, 0.2)
    phase = y - distance * 0.10
    phase -= square * square * 0.5
    phase *= 1 / anatomy.rib_spacing
    phase += anatomy.rib_phase
    back = _bands(phase, 0.23)
    back *= ramp(distance - 0.12, 0.06)
    phase = distance * 0.75 + y
    phase -= square * 0.25
    phase *= 0.8 / anatomy.rib_spacing
    phase += 1.7 * anatomy.rib_phase
    front = _bands(phase, 0.19)
    front *= ramp(distance - 0.42, 0.16) * 0.6
    back += front
    back *= inside
    canvas.density_HW[rows] += anatomy.rib_contrast * back
    _paint_collar_bones(canvas)


def _paint_collar_bones(canvas: Canvas) -> None:
    rows = canvas.box(0, -0.67, 1.2, 0.17)[0]
    distance = canvas.distance_HW[rows]
    bend = distance - 0.42
    away = np.abs(canvas.y_HW[rows] + 0.60 + 0.16 * distance - 0.9 * bend * bend * bend)
    bone = ramp(0.034 - away, 0.014) * (0.7 + 10 * away)
    canvas.density_HW[rows] += 0.17 * bone * ramp(distance - 0.11, 0.03) * ramp(0.78 - distance, 0.06)


def _bands(phase: Plane, half_width: float) -> Plane:
    """Soft bands, one for each unit of `phase`, denser along their edges as cortical bone is."""
    away = np.abs(phase - np.floor(phase) - 0.5)
    band = ramp(half_width - away, 0.06)
    band *= away * 1.6 + 0.62
    return band


def paint_vessels(canvas: Canvas, anatomy: Anatomy, air_HW: Plane) -> None:
    """Hila and the vessels that fan out from them, as far as there is lung."""
    for side in (-1, 1):
        box, hilum = canvas.disc(side * 0.19, 0.0, 0.13, 0.2)
        canvas.density_HW[box] += 0.17 * hilum
    for vessel in anatomy.vessels:
        middle = vessel.x + vessel.run / 2, vessel.y + vessel.drop / 2
        box = canvas.box(*middle, abs(vessel.run) / 2 + 0.05, abs(vessel.drop) / 2 + 0.05)
        dx, dy = canvas.x_HW[box] - vessel.x, canvas.y_HW[box] - vessel.y
        squared = vessel.run * vessel.run + vessel.drop * vessel.drop
        along = dx * (vessel.run / squared)
        along += dy * (vessel.drop / squared)
        np.minimum(np.maximum(along, 0, out=along), 1, out=along)
        # Distance from the bent line, in half widths.
        unit = 1 / (sqrt(squared) * vessel.half_width)
        dx *= vessel.drop * unit
        dy *= vessel.run * unit
        dx -= dy
        taper = 1.15 - along
        along *= along - 1
        along *= 4 * vessel.bend / vessel.half_width
        dx += along
        dx *= dx
        line = taper - dx
        np.maximum(line, 0, out=line)
        line *= taper
        line *= air_HW[box]
        line *= 0.10
        canvas.density_HW[box] += line


def mottle(random: np.random.Generator, size: int, cells: int) -> Plane:
    """Soft random texture of zero mean and about unit spread, float32 (size, size), `cells` grains a side."""
    grain = -(-size // cells)
    coarse = random.integers(0, 256, size=(cells + 1, cells + 1), dtype=np.uint8).astype(np.float32)
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


def develop(canvas: Canvas, random: np.random.Generator) -> NDArray[np.uint8]:
    """Density to grey levels: exposure, then noise; uint8 (H, W)."""
    view = canvas.view
    density = np.clip(canvas.density_HW, 0.02, 2)
    # The film curve flattens towards dense tissue.
    grey = density * (285 * view.gain)
    grey /= density + 0.42 * view.contrast
    counts = random.integers(0, 256, size=(4, canvas.size, canvas.size), dtype=np.uint8)
    grains = counts.sum(axis=0, dtype=np.uint16).astype(np.float32)
    # The sum of four such numbers has mean 510 and standard deviation 147.8.
    grains -= 510
    grains *= density * 0.4 + 0.6
    grains *= view.noise / 147.8
    grey += grains
    grey += 0.5
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)
