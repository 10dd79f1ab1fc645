"""A split in memory, and batches of network input cut out of it: crops, shrunk and normalised.

Shape suffixes: B images of a batch, N of a split, V crops of a batch (one an image, or ten), C classes, K
channels, H = W pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..datasets import Split, load_images
from ..runtime.images.crops import Window, take, windows
from ..runtime.images.preprocessing import Preprocessing
from .recipe import Recipe

if TYPE_CHECKING:
    import torch

_DIGESTED = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitArrays:
    """A split's images and labels in memory."""

    images_NHW: NDArray[np.uint8]
    """(N, size, size), perhaps memory-mapped."""
    labels_NC: NDArray[np.uint8]
    """0 or 1."""
    mask_NC: NDArray[np.bool_] | None = None
    """Which labels are known; None where all are."""
    taught_NC: NDArray[np.float32] | None = None
    """A teacher's logits; None without one."""

    def __len__(self) -> int:
        return len(self.images_NHW)

    def mask(self, indices: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """The mask of some images."""
        return None if self.mask_NC is None else self.mask_NC[indices]

    @property
    def pixels_digest(self) -> str:
        """SHA-256 over the pixels of at most a thousand images, spread over the split."""
        count = len(self)
        chosen = np.unique(np.linspace(0, count - 1, min(count, _DIGESTED), dtype=np.intp))
        digest = hashlib.sha256()
        for index in chosen:
            digest.update(np.ascontiguousarray(self.images_NHW[index]).data)
        return digest.hexdigest()


def read_split(split: Split, recipe: Recipe) -> SplitArrays:
    """Read a split's images at the recipe's size.

    Raises:
        DataError: an image is absent.
        InputError: an image cannot be decoded; the message names it.
    """
    return SplitArrays(
        images_NHW=load_images(split, recipe.preprocessing()),
        labels_NC=split.labels_NC,
        mask_NC=split.mask_NC,
    )


def place_crop(recipe: Recipe, *, epoch: int, index: int) -> Window:
    """Place the crop of one image in one epoch.

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
    """Cut the centre crops of a batch, as validation sees them: uint8 (B, crop, crop)."""
    middles = [(_middle(recipe.size, recipe.crop),)] * len(indices_B)
    return cut_windows(images_NHW, indices_B, middles, recipe.crop)


def cut_windows(
    images_NHW: NDArray[np.uint8],
    indices_B: NDArray[np.intp],
    windows_B: Sequence[Sequence[Window]],
    crop: int,
) -> "torch.Tensor":
    """Cut windows out of a batch's images.

    Args:
        images_NHW: uint8 (N, size, size), perhaps memory-mapped.
        indices_B: the batch.
        windows_B: the windows of each image, as many for one as for another.
        crop: their side, in pixels.

    Returns:
        uint8 (V, crop, crop), the crops of an image one after the other.
    """
    import torch

    crops_VHW = np.empty((len(indices_B) * len(windows_B[0]), crop, crop), dtype=np.uint8)
    number = 0
    for index, windows_of_image in zip(indices_B, windows_B, strict=True):
        for window in windows_of_image:
            crops_VHW[number] = take(images_NHW[index], window, crop)
            number += 1
    return torch.from_numpy(crops_VHW)


def to_grey(pixels_VHW: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """Uint8 pixels (V, H, W) to grey values in 0..1 on a device, float32 (V, 1, H, W)."""
    import torch

    # Bytes travel, a quarter of what floats would.
    return pixels_VHW.to(device).to(torch.float32).div(255).unsqueeze(1)


def shrink(grey_V1HW: "torch.Tensor", side: int) -> "torch.Tensor":
    """Shrink grey crops to another side, each pixel the weighted mean of those it stands for.

    Args:
        grey_V1HW: float32 (V, 1, H, W).
        side: of the result, in pixels, at most H.

    Returns:
        float32 (V, 1, side, side); crops that have the side already, as they are.
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

    grey = grey_B1HW.expand(-1, preprocessing.planes, -1, -1)
    mean = torch.tensor(preprocessing.mean, device=grey.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=grey.device).view(1, -1, 1, 1)
    return (grey - mean) / std
