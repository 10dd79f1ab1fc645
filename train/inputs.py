"""Images in memory become batches of network input, with and without augmentation.

Shape suffixes: B images of a batch, N of a split, C classes, K channels, H = W pixels.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.crops import Window, take
from ..runtime.preprocessing import Preprocessing
from .recipe import Recipe

if TYPE_CHECKING:
    import torch


def place_crop(recipe: Recipe, *, epoch: int, index: int) -> Window:
    """The window of one image in one epoch.

    It depends on the seed, the epoch and the image alone: not on the order, nor on how many processes share
    the work.
    """
    random = np.random.default_rng([recipe.seed, epoch, index])
    middle = recipe.preprocessing().windows()[0]
    top, left = middle.top, middle.left
    if recipe.random_crop:
        top, left = (int(corner) for corner in random.integers(0, recipe.size - recipe.crop + 1, size=2))
    return Window(top=top, left=left, mirrored=recipe.mirror and bool(random.random() < 0.5))


class Examples:
    """A split in memory, as torch's DataLoader wants it: uint8 (crop, crop) and float32 (C,) an item."""

    def __init__(self, images_NHW: NDArray[np.uint8], labels_NC: NDArray[np.uint8], recipe: Recipe) -> None:
        self.images_NHW = images_NHW
        self.labels_NC = labels_NC.astype(np.float32)
        self.recipe = recipe
        self.epoch: int | None = None
        """Which epoch's augmentation to apply; None takes the centre crop."""

    def __len__(self) -> int:
        return len(self.images_NHW)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        if self.epoch is None:
            window = self.recipe.preprocessing().windows()[0]
        else:
            window = place_crop(self.recipe, epoch=self.epoch, index=index)
        # torch takes no mirrored view: its strides would be negative.
        crop = np.ascontiguousarray(take(self.images_NHW[index], window, self.recipe.crop))
        return crop, self.labels_NC[index]


def normalise(crops_BHW: "torch.Tensor", preprocessing: Preprocessing) -> "torch.Tensor":
    """Uint8 grey crops (B, H, W) to normalised float32 (B, K, H, W)."""
    import torch

    grey = crops_BHW.to(torch.float32).div(255).unsqueeze(1).expand(-1, preprocessing.channels, -1, -1)
    mean = torch.tensor(preprocessing.mean, device=grey.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=grey.device).view(1, -1, 1, 1)
    return (grey - mean) / std
