"""What training sees of a batch's images: their crops, moved and changed as the recipe says.

Shape suffixes: B images of a batch, N of a split, V views (images, or images times their ten crops), H = W
pixels.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .augmentation import change_grey, draw_changes
from .inputs import cut_windows, shrink, to_grey, training_windows
from .recipe import Recipe
from .warping import STILL, warp

if TYPE_CHECKING:
    import torch


def training_views(
    images_NHW: NDArray[np.uint8],
    indices_B: NDArray[np.intp],
    recipe: Recipe,
    *,
    epoch: int,
    device: "torch.device",
) -> "torch.Tensor":
    """The views of a batch in one epoch.

    Args:
        images_NHW: uint8 (N, size, size), perhaps memory-mapped.
        indices_B: the batch.
        recipe: where crops lie and how far changes go.
        epoch: which epoch's random numbers.
        device: where the views are made.

    Returns:
        float32 in 0..1, (V, 1, side, side) with the side of the epoch, the views of an image one after the
        other.
    """
    import torch

    plans = [training_windows(recipe, epoch=epoch, index=int(index)) for index in indices_B]
    views = len(plans[0])
    changes = draw_changes(recipe, indices_B, epoch=epoch, views=views)
    moves = [change.move for change in changes]
    if all(move == STILL for move in moves):
        # Cut on the host: a part of the image goes to the device, and nothing is interpolated.
        grey_V1HW = to_grey(cut_windows(images_NHW, indices_B, plans, recipe.crop), device)
    else:
        whole_B1HW = to_grey(torch.from_numpy(images_NHW[indices_B]), device)
        grey_V1HW = warp(
            whole_B1HW if views == 1 else whole_B1HW.repeat_interleave(views, dim=0),
            [window for plan in plans for window in plan],
            moves,
            crop=recipe.crop,
            border=recipe.border,
        )
    return change_grey(shrink(grey_V1HW, recipe.side(epoch)), changes)
