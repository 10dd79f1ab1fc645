"""The signs that findings leave on a synthetic chest, from barely visible to plain.

Each sign has a look-alike among the healthy: hearts differ in width, vessels seen end-on look like nodules,
skin folds like the edge of a collapsed lung. So no reader, human or network, gets every image right.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from .phantom_anatomy import LUNG_HEIGHT, LUNG_Y, Anatomy
from .phantom_canvas import Canvas, Plane, Slices, bell, ramp, soft_step

FINDINGS = ("Cardiomegaly", "Effusion", "Mass", "Nodule", "Pneumothorax", "Consolidation")
"""What phantoms can have: names of ChestX-ray14, in its order."""

# Shares of all images; Effusion's is that without Cardiomegaly, and doubles with it, as in heart failure.
_PREVALENCE = {
    "Cardiomegaly": 0.25,
    "Effusion": 0.22,
    "Mass": 0.17,
    "Nodule": 0.20,
    "Pneumothorax": 0.17,
    "Consolidation": 0.22,
}
_EFFUSION_WITH_CARDIOMEGALY = 0.44


@dataclass(frozen=True, kw_only=True)
class Sign:
    """The sign of one finding in one patient."""

    strength: float
    """From 0, barely visible, to 1, plain."""
    size: float
    """From 0, the smallest that goes by this name, to 1, the largest."""
    side: int
    """-1 image left, 1 image right."""
    across: float
    """Place from a lung's inner edge, -1, to its outer edge, 1."""
    along: float
    """Place from a lung's apex, -1, to its middle, 0, and below."""


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """The box around a finding's sign, in pixels; `bottom` and `right` are the first outside."""

    finding: str
    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, finding: str, box: Slices) -> "Lesion":
        """The lesion that fills a box."""
        rows, columns = box
        return cls(finding=finding, top=rows.start, left=columns.start, bottom=rows.stop, right=columns.stop)


def draw_findings(random: np.random.Generator) -> frozenset[str]:
    """Draw which findings a patient has."""
    chances = dict(_PREVALENCE)
    found = set()
    for name in FINDINGS:
        if random.random() < chances[name]:
            found.add(name)
        if "Cardiomegaly" in found:
            chances["Effusion"] = _EFFUSION_WITH_CARDIOMEGALY
    return frozenset(found)


def draw_signs(random: np.random.Generator) -> dict[str, Sign]:
    """Draw how each finding would show in a patient."""
    return {name: _draw_sign(random) for name in FINDINGS}


def _draw_sign(random: np.random.Generator) -> Sign:
    return Sign(
        strength=random.random(),
        size=random.random(),
        side=1 if random.random() < 0.5 else -1,
        across=-0.45 + 1.1 * random.random(),
        along=-0.70 + 0.90 * random.random(),
    )


def heart_width(anatomy: Anatomy, sign: Sign | None) -> float:
    """Half the heart's width, enlarged by Cardiomegaly."""
    return anatomy.heart if sign is None else anatomy.heart * (1.12 + 0.32 * sign.strength)


def fluid_level(canvas: Canvas, anatomy: Anatomy, sign: Sign) -> tuple[Plane, Slices]:
    """Effusion: where the lung ends above the fluid, and the fluid's box.

    The fluid blunts the angle at the outer end of the diaphragm and climbs the chest wall (the meniscus).
    """
    base = 0.66 + canvas.view.inspiration + anatomy.dome_difference * (sign.side > 0)
    height = 0.09 + 0.41 * sign.strength
    outwards = (canvas.x_HW * sign.side - anatomy.lung_x) * (1 / anatomy.lung_width)
    climb = np.clip(outwards + 0.2, 0, 1.2)
    level = (base - height) - climb * climb * (0.10 + 0.20 * height)
    # The other lung keeps its diaphragm.
    level += 9 * ramp(-canvas.x_HW * sign.side, 0.02)
    fluid = (canvas.y_HW > level) & (canvas.y_HW < canvas.diaphragm_HW) & (canvas.outline_HW > 0)
    return np.minimum(canvas.diaphragm_HW, level), _box_of(fluid)


def collapse(canvas: Canvas, sign: Sign) -> tuple[Plane, Slices]:
    """Pneumothorax: paint the pleural line and the darker rim outside it.

    Returns:
        float32 (H, W), how much of each pixel's lung has collapsed away, and the rim's box.
    """
    depth = 0.20 + 0.40 * sign.strength
    upper = ramp((0.30 - 0.35 * (1 - sign.size)) - canvas.y_HW, 0.18)
    here = upper * ramp(canvas.x_HW * sign.side - 0.16, 0.05)
    rim = soft_step(depth - canvas.outline_HW, 0.035) * ramp(canvas.outline_HW, 0.05) * here
    edge = np.clip(1 - np.abs(canvas.outline_HW - depth) * (1 / 0.05), 0, 1) * here
    canvas.density_HW[:] -= (0.07 + 0.10 * sign.strength) * rim
    canvas.density_HW[:] += 0.08 * edge
    return rim, _box_of(rim > 0.5)


def paint_nodule(canvas: Canvas, anatomy: Anatomy, sign: Sign) -> Slices:
    """Nodule: small, round, sharp."""
    radius = 0.070 + 0.035 * sign.size
    box, disc = canvas.disc(*_place(anatomy, sign, radius), radius, radius)
    canvas.density_HW[box] += (0.18 + 0.24 * sign.strength) * np.sqrt(np.clip(disc * 1.6, 0, 1))
    return box


def paint_mass(canvas: Canvas, anatomy: Anatomy, sign: Sign) -> Slices:
    """Mass: larger, lobed: two overlapping discs."""
    radius = 0.13 + 0.08 * sign.size
    x, y = _place(anatomy, sign, radius)
    box = canvas.box(x, y, 1.25 * radius, 1.1 * radius)
    shade = np.zeros_like(canvas.x_HW[box])
    for offset_x, offset_y in ((-0.25, 0.1), (0.25, -0.1)):
        u = (canvas.x_HW[box] - x) * (1 / radius) - offset_x
        v = (canvas.y_HW[box] - y) * (1 / radius) - offset_y
        shade = np.maximum(shade, np.clip(1 - u * u - v * v, 0, 1))
    canvas.density_HW[box] += (0.12 + 0.20 * sign.strength) * np.sqrt(np.clip(shade * 1.4, 0, 1))
    return box


def paint_consolidation(
    canvas: Canvas, anatomy: Anatomy, sign: Sign, air_HW: Plane, texture_HW: Plane
) -> Slices:
    """Consolidation: a soft, uneven patch that ends where the lung ends."""
    across, along = 0.20 + 0.10 * sign.size, 0.18 + 0.14 * sign.size
    box, disc = canvas.disc(*_place(anatomy, sign, across), across, along)
    patch = np.clip(disc * 1.5, 0, 1) * np.clip(0.8 + 0.35 * texture_HW[box], 0, 1)
    canvas.density_HW[box] += (0.12 + 0.22 * sign.strength) * patch * air_HW[box]
    return box


def paint_lookalikes(canvas: Canvas, anatomy: Anatomy, random: np.random.Generator, air_HW: Plane) -> None:
    """Paint what healthy chests show as well: vessels end-on, faint patches, skin folds."""
    for _ in range(int(4 * random.random())):
        radius = 0.020 + 0.022 * random.random()
        box, disc = canvas.disc(*_place(anatomy, _draw_sign(random), radius), radius, radius)
        canvas.density_HW[box] += (0.05 + 0.10 * random.random()) * disc
    for _ in range(int(3 * random.random())):
        radius = 0.12 + 0.12 * random.random()
        box, disc = canvas.disc(*_place(anatomy, _draw_sign(random), radius), radius, 1.2 * radius)
        canvas.density_HW[box] += 0.08 * random.random() * disc * air_HW[box]
    if random.random() < 0.15:
        side = 1 if random.random() < 0.5 else -1
        box = canvas.box(side * 0.62, bell(random, -0.2, 0.1), 0.12, 0.3)
        fold = canvas.x_HW[box] * side - 0.62 + 0.12 * canvas.y_HW[box]
        canvas.density_HW[box] += 0.06 * np.clip(1 - np.abs(fold) * (1 / 0.014), 0, 1)


def _place(anatomy: Anatomy, sign: Sign, margin: float) -> tuple[float, float]:
    """Chest coordinates of a sign's centre, so far inside the lung's outline that `margin` fits."""
    y = LUNG_Y + LUNG_HEIGHT * sign.along
    half = max(anatomy.lung_width * sqrt(1 - sign.along * sign.along) - margin, 0)
    above = max(LUNG_Y - y, 0)
    return sign.side * (anatomy.lung_x - 0.13 * above * above + half * sign.across), y


def _box_of(mask_HW: NDArray[np.bool_]) -> Slices:
    """The box around a mask's True pixels; empty at the origin if there is none."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
