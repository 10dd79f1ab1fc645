"""Crops of a whole batch, turned, moved and zoomed in one sampling, on whatever device the batch lies.

A crop is sampled out of its whole image: what a turn or a move brings in from outside the crop is the
image's own pixels, and only outside the image black or the image's edge drawn out. The geometry is
torchvision's: turn and grow around the crop's middle, then move, with bilinear interpolation. The batch is
warped by a matrix a view and not by torchvision's transforms, which draw once for the whole batch.

Shape suffixes: V views of a batch, H = W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..runtime.images.crops import Window

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Move:
    """Where the pixels of one view go."""

    angle: float = 0.0
    """Degrees, clockwise as the image is seen."""
    right: float = 0.0
    """Moved to the right, as a share of the crop's side."""
    down: float = 0.0
    """Moved down, as a share of the crop's side."""
    zoom: float = 1.0
    """How many times as large."""


STILL = Move()


def warp(
    grey_V1HW: "torch.Tensor",
    windows_V: Sequence[Window],
    moves_V: Sequence[Move],
    *,
    crop: int,
    border: str = "black",
) -> "torch.Tensor":
    """Take a window of every image, moved.

    Args:
        grey_V1HW: float32 in 0..1, the whole image of each view.
        windows_V: where the crop lies that is moved.
        moves_V: how.
        crop: its side, in pixels.
        border: one of train.recipe.BORDERS, outside the image.

    Returns:
        float32 in 0..1, (V, 1, crop, crop).
    """
    import torch
    from torch.nn import functional

    size = grey_V1HW.shape[-1]
    rows = [
        _sources(window, move, crop=crop, size=size) for window, move in zip(windows_V, moves_V, strict=True)
    ]
    sources_V23 = torch.tensor(rows, dtype=torch.float32, device=grey_V1HW.device)
    grid = functional.affine_grid(sources_V23, [len(rows), 1, crop, crop], align_corners=False)
    padding = "zeros" if border == "black" else "border"
    return functional.grid_sample(grey_V1HW, grid, padding_mode=padding, align_corners=False)


def _sources(window: Window, move: Move, *, crop: int, size: int) -> list[list[float]]:
    """The matrix from a place in the result to the place in the image that it shows, both from -1 to 1."""
    turn = math.radians(move.angle)
    cos, sin = math.cos(turn) / move.zoom, math.sin(turn) / move.zoom
    x, y = 2 * move.right, 2 * move.down
    in_crop = ((cos, sin, -cos * x - sin * y), (-sin, cos, sin * x - cos * y))
    scale = crop / size
    # Twice the way from the image's middle to the crop's, as a share of the image.
    middles = ((2 * window.left + crop) / size - 1, (2 * window.top + crop) / size - 1)
    signs = (-1 if window.mirrored else 1, 1)
    return [
        [sign * scale * along_x, sign * scale * along_y, sign * scale * shift + middle]
        for sign, middle, (along_x, along_y, shift) in zip(signs, middles, in_crop, strict=True)
    ]
