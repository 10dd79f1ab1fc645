"""Augmentation: the crops of a batch as training sees them, moved within their images and changed in grey.

Every change is drawn from the seed, the epoch and the image alone, so it is the same in any batch, in any
process and after a resume.

A moved crop is sampled out of its whole image: a turn or a move brings in the image's own pixels from outside
the crop, and only outside the image black or the image's edge drawn out. The geometry is torchvision's: turn
and grow around the crop's middle, then move, with bilinear interpolation. The batch is warped by a matrix a
crop and not by torchvision's transforms, which draw once for the whole batch.

Shape suffixes: B images of a batch, N of a split, V crops of a batch (one an image, or ten), H = W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.images.crops import Window
from .inputs import cut_windows, shrink, to_grey, training_windows
from .recipe import Recipe

if TYPE_CHECKING:
    import torch

_STREAM = 7_002
_ERASED_AREA = (0.02, 0.2)
_ERASED_LOG_RATIO = (math.log(0.3), math.log(3.3))


@dataclass(frozen=True, kw_only=True)
class Move:
    """A turn, a shift and a zoom of one crop within its image."""

    angle: float = 0.0
    """Degrees, clockwise as the image is seen."""
    right: float = 0.0
    """Moved to the right, as a share of the crop's side."""
    down: float = 0.0
    """Moved down, as a share of the crop's side."""
    zoom: float = 1.0
    """How many times as large."""


STILL = Move()


@dataclass(frozen=True, kw_only=True)
class Change:
    """The changes of one crop."""

    move: Move = STILL
    """The geometric part."""
    brightness: float = 1.0
    """Factor of the grey values."""
    contrast: float = 1.0
    """Factor of the grey values' distance from their mean."""
    gamma: float = 1.0
    """The power that grey values are raised to, before anything else is done to them."""
    erased: tuple[float, float, float, float] | None = None
    """Top, left, height and width of a grey rectangle, as shares of the side."""


def augment_batch(
    images_NHW: NDArray[np.uint8],
    indices_B: NDArray[np.intp],
    recipe: Recipe,
    *,
    epoch: int,
    device: "torch.device",
) -> "torch.Tensor":
    """Cut, move and change the crops of a batch as one epoch sees them.

    Args:
        images_NHW: uint8 (N, size, size), perhaps memory-mapped.
        indices_B: the batch.
        recipe: where crops lie and how far changes go.
        epoch: which epoch's random numbers.
        device: where the crops are changed.

    Returns:
        float32 in 0..1, (V, 1, side, side) with the side of the epoch, the crops of an image one after the
        other.
    """
    import torch

    windows = [training_windows(recipe, epoch=epoch, index=int(index)) for index in indices_B]
    count = len(windows[0])
    changes = draw_changes(recipe, indices_B, epoch=epoch, crops=count)
    moves = [change.move for change in changes]
    if all(move == STILL for move in moves):
        # Cut on the host: a part of the image goes to the device, and nothing is interpolated.
        grey_V1HW = to_grey(cut_windows(images_NHW, indices_B, windows, recipe.crop), device)
    else:
        images_B1HW = to_grey(torch.from_numpy(images_NHW[indices_B]), device)
        grey_V1HW = warp(
            images_B1HW if count == 1 else images_B1HW.repeat_interleave(count, dim=0),
            [window for of_image in windows for window in of_image],
            moves,
            crop=recipe.crop,
            border=recipe.border,
        )
    return change_grey(shrink(grey_V1HW, recipe.side(epoch)), changes)


def draw_change(recipe: Recipe, *, epoch: int, index: int, crop: int = 0) -> Change:
    """Draw the changes of one crop of one image in one epoch."""
    random = np.random.default_rng([recipe.seed, epoch, index, _STREAM, crop])

    def around(middle: float, reach: float) -> float:
        # Drawn even where it is not used, so that a setting leaves the others' numbers alone.
        return middle + reach * float(random.uniform(-1, 1))

    return Change(
        move=Move(
            angle=around(0, recipe.rotation),
            right=around(0, recipe.translation),
            down=around(0, recipe.translation),
            zoom=around(1, recipe.scale),
        ),
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


def draw_changes(recipe: Recipe, indices_B: NDArray[np.intp], *, epoch: int, crops: int = 1) -> list[Change]:
    """Draw the changes of a batch with so many crops an image, those of an image one after the other."""
    if not _changes_anything(recipe):
        return [Change()] * (len(indices_B) * crops)
    return [
        draw_change(recipe, epoch=epoch, index=int(index), crop=crop)
        for index in indices_B
        for crop in range(crops)
    ]


def _changes_anything(recipe: Recipe) -> bool:
    names = ("rotation", "translation", "scale", "brightness", "contrast", "gamma", "erasing")
    return any(getattr(recipe, name) > 0 for name in names)


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
        grey_V1HW: float32 in 0..1, the whole image of each crop.
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


def change_grey(grey_V1HW: "torch.Tensor", changes_V: list[Change]) -> "torch.Tensor":
    """Change the grey values of every crop; a change that is none costs nothing.

    Args:
        grey_V1HW: float32 in 0..1.
        changes_V: one a crop.

    Returns:
        float32 in 0..1, (V, 1, H, W).
    """
    import torch

    def column(values: list[float]) -> "torch.Tensor":
        return torch.tensor(values, dtype=torch.float32, device=grey_V1HW.device).view(-1, 1, 1, 1)

    if any(c.gamma != 1 for c in changes_V):
        grey_V1HW = grey_V1HW ** column([c.gamma for c in changes_V])
    if any(c.brightness != 1 or c.contrast != 1 for c in changes_V):
        grey_V1HW = grey_V1HW * column([c.brightness for c in changes_V])
        mean = grey_V1HW.mean(dim=(1, 2, 3), keepdim=True)
        grey_V1HW = (mean + (grey_V1HW - mean) * column([c.contrast for c in changes_V])).clamp(0, 1)
    return _erase(grey_V1HW, changes_V)


def _erase(grey_V1HW: "torch.Tensor", changes_V: list[Change]) -> "torch.Tensor":
    """Fill each rectangle with the crop's own mean, which keeps nothing of what was there."""
    side = grey_V1HW.shape[-1]
    if all(change.erased is None for change in changes_V):
        return grey_V1HW
    grey_V1HW = grey_V1HW.clone()
    for number, change in enumerate(changes_V):
        if change.erased is None:
            continue
        top, left, height, width = (round(share * side) for share in change.erased)
        pixels_HW = grey_V1HW[number, 0]
        pixels_HW[top : top + max(1, height), left : left + max(1, width)] = pixels_HW.mean()
    return grey_V1HW
