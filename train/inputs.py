"""Images in memory become batches of network input: crops cut out, shrunk and normalised.

Shape suffixes: B images of a batch, N of a split, V views (images, or images times their ten crops), C
classes, K channels, H = W pixels.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.images.crops import Window, take, windows
from ..runtime.images.preprocessing import Preprocessing
from .recipe import Recipe

if TYPE_CHECKING:
    import torch


def place_crop(recipe: Recipe, *, epoch: int, index: int) -> Window:
    """The window of one image in one epoch.

    It depends on the seed, the epoch and the image alone: not on the order, nor on how many processes share
    the work.
    """
    random = np.random.default_rng([recipe.seed, epoch, index])
    middle = _middle(recipe.size, recipe.crop)
    top, left = middle.top, middle.left
    if recipe.random_crop:
        top, left = (int(corner) for corner in random.integers(0, recipe.size - recipe.crop + 1, size=2))
    return Window(top=top, left=left, mirrored=recipe.mirror and bool(random.random() < 0.5))


@cache
def _middle(size: int, crop: int) -> Window:
    # Asked for every image of every step.
    return windows("center", size=size, crop=crop)[0]


def training_windows(recipe: Recipe, *, epoch: int, index: int) -> tuple[Window, ...]:
    """The window or the ten windows of one image in one epoch."""
    if recipe.ten_crop == "none":
        return (place_crop(recipe, epoch=epoch, index=index),)
    return windows("ten", size=recipe.size, crop=recipe.crop)


def cut_middles(images_NHW: NDArray[np.uint8], indices_B: NDArray[np.intp], recipe: Recipe) -> "torch.Tensor":
    """The centre crops of a batch, as validation sees them: uint8 (B, crop, crop)."""
    plans = [(_middle(recipe.size, recipe.crop),)] * len(indices_B)
    return cut_windows(images_NHW, indices_B, plans, recipe.crop)


def cut_windows(
    images_NHW: NDArray[np.uint8],
    indices_B: NDArray[np.intp],
    plans_B: Sequence[Sequence[Window]],
    crop: int,
) -> "torch.Tensor":
    """Cut windows out of a batch's images.

    Args:
        images_NHW: uint8 (N, size, size), perhaps memory-mapped.
        indices_B: the batch.
        plans_B: the windows of each image, as many for one as for another.
        crop: their side, in pixels.

    Returns:
        uint8 (V, crop, crop), the crops of an image one after the other.
    """
    import torch

    crops_VHW = np.empty((len(indices_B) * len(plans_B[0]), crop, crop), dtype=np.uint8)
    view = 0
    for index, plan in zip(indices_B, plans_B, strict=True):
        for window in plan:
            crops_VHW[view] = take(images_NHW[index], window, crop)
            view += 1
    return torch.from_numpy(crops_VHW)


def to_grey(pixels_VHW: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """Uint8 pixels (V, H, W) to grey values in 0..1 on a device, float32 (V, 1, H, W)."""
    import torch

    # Bytes travel, a quarter of what floats would.
    return pixels_VHW.to(device).to(torch.float32).div(255).unsqueeze(1)


def shrink(grey_V1HW: "torch.Tensor", side: int) -> "torch.Tensor":
    """Grey views at another side, each pixel the weighted mean of those it stands for.

    Args:
        grey_V1HW: float32 (V, 1, H, W).
        side: of the result, in pixels, at most H.

    Returns:
        float32 (V, 1, side, side); what has the side already, as it is.
    """
    from torch.nn import functional

    if grey_V1HW.shape[-1] == side:
        return grey_V1HW
    # Without antialiasing most pixels of a large crop would count for nothing.
    return functional.interpolate(
        grey_V1HW, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )


def normalise(crops_BHW: "torch.Tensor", preprocessing: Preprocessing) -> "torch.Tensor":
    """Uint8 grey crops (B, H, W) to normalised float32 (B, K, H, W)."""
    return normalise_grey(to_grey(crops_BHW, crops_BHW.device), preprocessing)


def normalise_grey(grey_B1HW: "torch.Tensor", preprocessing: Preprocessing) -> "torch.Tensor":
    """Grey values in 0..1, float32 (B, 1, H, W), to normalised float32 (B, K, H, W)."""
    import torch

    grey = grey_B1HW.expand(-1, preprocessing.channels, -1, -1)
    mean = torch.tensor(preprocessing.mean, device=grey.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=grey.device).view(1, -1, 1, 1)
    return (grey - mean) / std
