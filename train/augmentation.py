"""What happens to each image of a batch beyond its crop, and the part of it that is done to grey values.

It is drawn from the seed, the epoch and the image alone, so it is the same in any batch, in any process and
after a resume. Where pixels go is done by train.warping.

Shape suffixes: B images of a batch, V views of it, H = W pixels.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe
from .warping import STILL, Move

if TYPE_CHECKING:
    import torch

_STREAM = 7_002
_ERASED_AREA = (0.02, 0.2)
_ERASED_LOG_RATIO = (math.log(0.3), math.log(3.3))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one view."""

    move: Move = STILL
    """Where its pixels go."""
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


def draw_changes(recipe: Recipe, indices_B: NDArray[np.intp], *, epoch: int, views: int = 1) -> list[Change]:
    """What happens to the views of a batch, those of an image one after the other."""
    if not _changes_anything(recipe):
        return [Change()] * (len(indices_B) * views)
    return [
        draw_change(recipe, epoch=epoch, index=int(index), view=view)
        for index in indices_B
        for view in range(views)
    ]


def _changes_anything(recipe: Recipe) -> bool:
    names = ("rotation", "translation", "scale", "brightness", "contrast", "gamma", "erasing")
    return any(getattr(recipe, name) > 0 for name in names)


def change_grey(grey_V1HW: "torch.Tensor", changes_V: list[Change]) -> "torch.Tensor":
    """Change every view's grey values; what changes nothing costs nothing.

    Args:
        grey_V1HW: float32 in 0..1.
        changes_V: one a view.

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
    """Fill each rectangle with the view's own mean, which says nothing of what was there."""
    side = grey_V1HW.shape[-1]
    if all(change.erased is None for change in changes_V):
        return grey_V1HW
    grey_V1HW = grey_V1HW.clone()
    for view, change in enumerate(changes_V):
        if change.erased is None:
            continue
        top, left, height, width = (round(share * side) for share in change.erased)
        whole = grey_V1HW[view, 0]
        whole[top : top + max(1, height), left : left + max(1, width)] = whole.mean()
    return grey_V1HW
