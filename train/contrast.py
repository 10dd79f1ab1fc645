"""An image's local contrast: a pixel against its neighbourhood, so that exposure and slow shadows are gone.

Jarrett et al. 2009, What is the best multi-stage architecture for object recognition? Theirs weighs the
neighbourhood by a Gaussian; a box says as much, and is two poolings on any engine.

Shape suffixes: N images, H x W pixels.
"""

import torch
from torch import nn
from torch.nn import functional

WINDOW = 7
"""Side of a pixel's neighbourhood, odd."""
_FLOOR = 0.01
"""Added to the variance, in squared units of the normalised image, so that flat places stay flat."""


class LocalContrast(nn.Module):
    """(pixel - its neighbourhood's mean) / the neighbourhood's standard deviation."""

    def forward(self, grey_N1HW: torch.Tensor) -> torch.Tensor:
        """Float32 (N, 1, H, W) to the same shape."""
        centred = grey_N1HW - _mean(grey_N1HW)
        # The mean of squares around the mean: the difference of two means of large squares would lose digits.
        return centred / torch.sqrt(_mean(centred * centred) + _FLOOR)


class WithLocalContrast(nn.Module):
    """A grey plane and, as a second one, its local contrast."""

    def __init__(self) -> None:
        super().__init__()
        self.contrast = LocalContrast()

    def forward(self, grey_N1HW: torch.Tensor) -> torch.Tensor:
        """Float32 (N, 1, H, W) to (N, 2, H, W)."""
        return torch.cat([grey_N1HW, self.contrast(grey_N1HW)], dim=1)


def _mean(plane_N1HW: torch.Tensor) -> torch.Tensor:
    """Of each pixel's neighbourhood; an image's edge is drawn out."""
    margin = WINDOW // 2
    padded = functional.pad(plane_N1HW, (margin, margin, margin, margin), mode="replicate")
    return functional.avg_pool2d(padded, WINDOW, stride=1)
