"""Pictures of heatmaps: the image in grey with the evidence for one finding laid over it in colour."""

import re
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

# Anchor colours of "inferno" (matplotlib, CC0): its lightness rises evenly, so it reads in grey and for
# colour-blind eyes, and its dark end leaves the image as it is.
_COLOURS = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)],
    dtype=np.float64,
)
_OPACITY = 0.6
"""Of the strongest evidence; the weakest is transparent."""


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


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed"
