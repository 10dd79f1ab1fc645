"""The anatomy of a synthetic chest in frontal view. No patient's image went into it.

Lengths are in chest coordinates (see phantom_canvas.py).
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from .phantom_canvas import Canvas, Plane, Slices, View, bell, pixel_centres, ramp, soft_step

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
    """The anatomy of one synthetic patient, the same in all of their images."""

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


def draw_anatomy(random: np.random.Generator) -> Anatomy:
    """Draw one healthy patient."""
    return Anatomy(
        lung_width=bell(random, 0.375, 0.014),
        lung_x=bell(random, 0.43, 0.012),
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


def start(size: int, anatomy: Anatomy, view: View) -> Canvas:
    """Lay out the chest's coordinates and lung outlines; nothing is painted yet."""
    column, row = pixel_centres(size)
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
    across *= across * (1 / (anatomy.lung_width * anatomy.lung_width))
    along = (y - LUNG_Y) * (1 / LUNG_HEIGHT)
    diaphragm = np.clip(1.1 - across, 0, 1.1) * -anatomy.dome
    diaphragm += np.float32(anatomy.dome_difference) * (x > 0)
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
    air: Plane = np.sqrt(np.clip(canvas.outline_HW * 2.0, 0, 1))
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
    knob: Plane = np.sqrt(np.clip((1 - dx * dx - dy * dy) * 1.5, 0, 1)) * 0.9
    return knob


def _heart_centre(canvas: Canvas, anatomy: Anatomy, heart: float) -> tuple[float, float]:
    # A heart enlarges mostly towards the patient's left.
    return anatomy.heart_x + 0.35 * (heart - anatomy.heart), 0.36 + 0.8 * canvas.view.inspiration


def _heart(canvas: Canvas, anatomy: Anatomy, heart: float, x: Plane, y: Plane) -> Plane:
    x0, y0 = _heart_centre(canvas, anatomy, heart)
    u, v = (x - x0) * (1 / heart), (y - y0) * (1 / (0.86 * heart))
    # Its long axis points down to the patient's left.
    shape = 1 - u * (u - 0.5 * v) - v * v
    heart_HW: Plane = np.sqrt(np.clip(shape * 2.2, 0, 1)) * 1.05
    return heart_HW


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
