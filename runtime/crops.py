"""Crop plans: which windows of the resized image the network sees.

One definition serves training-side references, the exported graph and the documentation. Windows
follow torchvision's FiveCrop and TenCrop: four corners, the centre, then the same five of the mirror.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CROP_PLANS = ("center", "five", "ten")


@dataclass(frozen=True, kw_only=True)
class Window:
    """One crop: its upper left corner in pixels of the resized image, mirrored left to right or not."""

    top: int
    left: int
    mirrored: bool = False


def windows(plan: str, *, size: int, crop: int) -> tuple[Window, ...]:
    """The windows of a crop plan, in the order in which the graph stacks them.

    Args:
        plan: one of CROP_PLANS.
        size: side of the square resized image, in pixels.
        crop: side of a window, in pixels, at most `size`.

    Raises:
        ValueError: an unknown plan, or a crop that does not fit.
    """
    if plan not in CROP_PLANS:
        raise ValueError(f"crops must be one of {', '.join(CROP_PLANS)}, got {plan!r}.")
    if not 0 < crop <= size:
        raise ValueError(f"crop must be in 1..{size} (the resized image), got {crop}.")
    far = size - crop
    # round(), half to even, is what torchvision's center_crop uses; an odd margin must land on its pixel.
    middle = Window(top=round(far / 2), left=round(far / 2))
    if plan == "center":
        return (middle,)
    corners = (
        Window(top=0, left=0),
        Window(top=0, left=far),
        Window(top=far, left=0),
        Window(top=far, left=far),
    )
    five = (*corners, middle)
    if plan == "five":
        return five
    # TenCrop crops the mirrored image; the same pixels are the mirror of the window on the other side.
    mirrored = tuple(Window(top=w.top, left=far - w.left, mirrored=True) for w in five)
    return five + mirrored


def take(image_HW: NDArray[np.uint8], window: Window, crop: int) -> NDArray[np.uint8]:
    """Cut one window out of a resized image: uint8 (crop, crop)."""
    cut = image_HW[window.top : window.top + crop, window.left : window.left + crop]
    return cut[:, ::-1] if window.mirrored else cut
