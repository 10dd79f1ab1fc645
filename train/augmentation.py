"""Augmentation of a whole batch at once, on whatever device it lies.

What happens to an image is drawn from the seed, the epoch and the image alone, so it is the same in any
batch, in any process and after a resume. That is why the batch is warped by a matrix an image and not by
torchvision's transforms, which draw once for the whole batch. The geometry is torchvision's: turn and grow
around the middle, then move, with bilinear interpolation, and where nothing was black or the image's edge
drawn out.

Shape suffixes: V views of a batch, H = W pixels.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe

if TYPE_CHECKING:
    import torch

_STREAM = 7_002
_ERASED_AREA = (0.02, 0.2)
_ERASED_LOG_RATIO = (math.log(0.3), math.log(3.3))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one view."""

    angle: float = 0.0
    """Degrees, clockwise as the image is seen."""
    right: float = 0.0
    """Moved to the right, as a share of the side."""
    down: float = 0.0
    """Moved down, as a share of the side."""
    zoom: float = 1.0
    """How many times as large."""
    brightness: float = 1.0
    """What grey values are multiplied by."""
    contrast: float = 1.0
    """How many times as far from their mean."""
    gamma: float = 1.0
    """The power that grey values are raised to, before anything else is done to them."""
    erased: tuple[float, float, float, float] | None = None
    """Top, left, height and width of a grey rectangle, as shares of the side."""


def draw_change(recipe: Recipe, *, epoch: int, index: int, view: int = 0) -> Change:
    """What happens to one view of one image in one epoch."""
    random = np.random.default_rng([recipe.seed, epoch, index, _STREAM, view])

    def around(middle: float, reach: float) -> float:
        # Drawn even where it is not used, so that a setting leaves the others' numbers alone.
        return middle + reach * float(random.uniform(-1, 1))

    return Change(
        angle=around(0, recipe.rotation),
        right=around(0, recipe.translation),
        down=around(0, recipe.translation),
        zoom=around(1, recipe.scale),
        brightness=max(0.0, around(1, recipe.brightness)),
        contrast=max(0.0, around(1, recipe.contrast)),
        gamma=math.exp(around(0, recipe.gamma)),
        erased=_draw_rectangle(random) if random.random() < recipe.erasing else None,
    )


def _draw_rectangle(random: np.random.Generator) -> tuple[float, float, float, float]:
    area = random.uniform(*_ERASED_AREA)
    ratio = math.exp(random.uniform(*_ERASED_LOG_RATIO))
    height, width = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
    return random.uniform(0, 1 - height), random.uniform(0, 1 - width), height, width


def changes_anything(recipe: Recipe) -> bool:
    """Whether a recipe augments beyond crops and mirrors."""
    names = ("rotation", "translation", "scale", "brightness", "contrast", "gamma", "erasing")
    return any(getattr(recipe, name) > 0 for name in names)


def augment(
    grey_V1HW: "torch.Tensor", indices_B: NDArray[np.intp], recipe: Recipe, *, epoch: int
) -> "torch.Tensor":
    """Change every view of a batch as its image's own random numbers say.

    Args:
        grey_V1HW: float32 in 0..1, the views of an image one after the other.
        indices_B: which images they are of.
        recipe: how far changes go.
        epoch: which epoch's random numbers.
    """
    views = len(grey_V1HW) // len(indices_B)
    changes = [
        draw_change(recipe, epoch=epoch, index=int(index), view=view)
        for index in indices_B
        for view in range(views)
    ]
    return apply(grey_V1HW, changes, border=recipe.border)


def apply(grey_V1HW: "torch.Tensor", changes: list[Change], *, border: str = "black") -> "torch.Tensor":
    """Change every view; what changes nothing costs nothing.

    Args:
        grey_V1HW: float32 in 0..1.
        changes: one a view.
        border: one of train.recipe.BORDERS, where nothing was.

    Returns:
        float32 in 0..1, (V, 1, H, W).
    """
    import torch

    def column(values: list[float]) -> "torch.Tensor":
        return torch.tensor(values, dtype=torch.float32, device=grey_V1HW.device).view(-1, 1, 1, 1)

    if any((c.angle, c.right, c.down, c.zoom) != (0, 0, 0, 1) for c in changes):
        grey_V1HW = _warp(grey_V1HW, changes, border)
    if any(c.gamma != 1 for c in changes):
        grey_V1HW = grey_V1HW ** column([c.gamma for c in changes])
    if any(c.brightness != 1 or c.contrast != 1 for c in changes):
        grey_V1HW = grey_V1HW * column([c.brightness for c in changes])
        mean = grey_V1HW.mean(dim=(1, 2, 3), keepdim=True)
        grey_V1HW = (mean + (grey_V1HW - mean) * column([c.contrast for c in changes])).clamp(0, 1)
    return _erase(grey_V1HW, changes)


def _warp(grey_V1HW: "torch.Tensor", changes: list[Change], border: str) -> "torch.Tensor":
    import torch
    from torch.nn import functional

    rows = []
    for change in changes:
        turn = math.radians(change.angle)
        cos, sin = math.cos(turn) / change.zoom, math.sin(turn) / change.zoom
        # Where each pixel comes from, in coordinates from -1 to 1: the inverse of what happens to the image.
        x, y = 2 * change.right, 2 * change.down
        rows.append([[cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]])
    inverse_V23 = torch.tensor(rows, dtype=torch.float32, device=grey_V1HW.device)
    grid = functional.affine_grid(inverse_V23, list(grey_V1HW.shape), align_corners=False)
    padding = "zeros" if border == "black" else "border"
    return functional.grid_sample(grey_V1HW, grid, padding_mode=padding, align_corners=False)


def _erase(grey_V1HW: "torch.Tensor", changes: list[Change]) -> "torch.Tensor":
    """Fill each rectangle with the view's own mean, which says nothing of what was there."""
    side = grey_V1HW.shape[-1]
    if all(change.erased is None for change in changes):
        return grey_V1HW
    grey_V1HW = grey_V1HW.clone()
    for view, change in enumerate(changes):
        if change.erased is None:
            continue
        top, left, height, width = (round(share * side) for share in change.erased)
        whole = grey_V1HW[view, 0]
        whole[top : top + max(1, height), left : left + max(1, width)] = whole.mean()
    return grey_V1HW
