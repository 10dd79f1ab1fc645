"""Crop plans: which windows of the resized image a prediction averages, and what the network runs on.

One definition serves training-side references, the exported graph and the documentation. Windows
follow torchvision's FiveCrop and TenCrop: four corners, the centre, then the same five of the mirror.
The exact plans run the network on every window. The shared plans run it on the whole image, one of them on
its mirror, too, and take the windows out of the feature map.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARED_PLANS = {"five-shared": "five", "ten-shared": "ten"}
"""Plans that take their windows out of shared feature maps, and the exact plan that each stands for."""
CROP_PLANS = ("center", "five", "ten", *SHARED_PLANS)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A square cut-out: its upper left corner in pixels of the resized image, and whether it is mirrored."""

    top: int
    left: int
    mirrored: bool = False


def exact_plan(plan: str) -> str:
    """The plan that a plan stands for: `ten` for `ten-shared`, every exact one itself."""
    return SHARED_PLANS.get(plan, plan)


def windows(plan: str, *, size: int, crop: int) -> tuple[Window, ...]:
    """The windows that a crop plan averages, in the order in which the graph stacks them.

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
    if exact_plan(plan) == "five":
        return five
    # TenCrop crops the mirrored image; the same pixels are the mirror of the window on the other side.
    mirrored = tuple(Window(top=w.top, left=far - w.left, mirrored=True) for w in five)
    return five + mirrored


def views(plan: str, *, size: int, crop: int) -> tuple[tuple[Window, ...], int]:
    """The views that the network runs on, and the side of each in pixels.

    The windows themselves for an exact plan; for a shared one the whole image, and its mirror if windows
    of the mirror are among them.

    Raises:
        ValueError: as for `windows`.
    """
    exact = windows(plan, size=size, crop=crop)
    if plan not in SHARED_PLANS:
        return exact, crop
    sides = sorted({window.mirrored for window in exact})
    return tuple(Window(top=0, left=0, mirrored=mirrored) for mirrored in sides), size


def take(image_HW: "NDArray[np.uint8]", window: Window, side: int) -> "NDArray[np.uint8]":
    """Cut one window out of a resized image: uint8 (side, side)."""
    cut = image_HW[window.top : window.top + side, window.left : window.left + side]
    return cut[:, ::-1] if window.mirrored else cut
