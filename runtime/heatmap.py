"""Heatmaps: where in the image the evidence for a class is, as class activation maps, and pictures of them.

A network that ends in a global average pool and a linear head answers with the mean, over the cells of its
last feature map, of the head applied to each cell (Zhou et al., "Learning Deep Features for Discriminative
Localization", 2016). These logits per cell are the activation map; for a head of several layers they are
the same thing, only no longer exact parts of a sum. Bundles answer with them as a second output.

Shape suffixes: V views, H x W pixels or cells.
"""

import re
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from .images.preprocessing import Preprocessing

# Anchor colours of "inferno" (matplotlib, CC0): its lightness rises evenly, so it reads in grey and for
# colour-blind eyes, and its dark end leaves the image as it is.
_COLOURS = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)],
    dtype=np.float64,
)
_OPACITY = 0.6
"""Of the strongest evidence; the weakest is transparent."""


def assemble(maps_VHW: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Lay the maps of all views over the resized image, and average them where they overlap.

    Args:
        maps_VHW: one class's logits per cell, for each view of the crop plan.
        preprocessing: the bundle's, for the places of the views.

    Returns:
        float32 (size, size), logits; NaN where no view looked (outside of a centre crop).
    """
    size, side = preprocessing.size, preprocessing.view_size
    total = np.zeros((size, size), dtype=np.float64)
    seen = np.zeros((size, size), dtype=np.intp)
    for map_HW, view in zip(maps_VHW, preprocessing.views(), strict=True):
        enlarged = _resize(map_HW, side, side)
        place = np.s_[view.top : view.top + side, view.left : view.left + side]
        total[place] += enlarged[:, ::-1] if view.mirrored else enlarged
        seen[place] += 1
    with np.errstate(invalid="ignore"):
        return (total / seen).astype(np.float32)


def to_image(heat_HW: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale assembled logits to 0..1 and to the image's own pixels.

    0 is the least evidence in this image for this class and 1 the most: a map says where, not how much.
    What no view saw is 0, and so is an image whose evidence is the same everywhere.

    Args:
        heat_HW: from `assemble`.
        height, width: of the image that was classified, in pixels.

    Returns:
        float32 (height, width) in 0..1.
    """
    low, high = float(np.nanmin(heat_HW)), float(np.nanmax(heat_HW))
    if not high > low:
        return np.zeros((height, width), dtype=np.float32)
    scaled = np.nan_to_num((heat_HW - low) / (high - low), nan=0.0)
    return np.clip(_resize(scaled.astype(np.float32), height, width), 0, 1)


def overlay(image_HW: NDArray[np.uint8], heat_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blend a heatmap over a grey image.

    Args:
        image_HW: uint8 (H, W).
        heat_HW: float32 (H, W) in 0..1.

    Returns:
        uint8 (H, W, 3).
    """
    steps = np.linspace(0, 1, len(_COLOURS))
    colour_HW3 = np.stack([np.interp(heat_HW, steps, channel) for channel in _COLOURS.T], axis=-1)
    opacity_HW1 = _OPACITY * heat_HW[..., np.newaxis]
    blended: NDArray[np.float64] = (1 - opacity_HW1) * image_HW[..., np.newaxis] + opacity_HW1 * colour_HW3
    return np.rint(blended).astype(np.uint8)


def encode_png(pixels_HW3: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels_HW3).save(buffer, format="PNG")
    return buffer.getvalue()


def overlay_name(image: str, class_name: str) -> str:
    """File name of an overlay: `a/b.png` and `Pleural Thickening` give `a--b.png.Pleural-Thickening.png`.

    The image's folders and suffix stay in the name, so that no two images share one.
    """
    return f"{_plain(image.replace('/', '--'))}.{_plain(class_name)}.png"


def _resize(values_HW: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(values_HW, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed"
