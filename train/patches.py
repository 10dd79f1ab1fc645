"""`patches`: one layer of filters taken from the training images, and a linear layer on top, solved at once.

Coates, Lee & Ng 2011, An analysis of single-layer networks in unsupervised feature learning: filters that are
whitened patches of the images themselves, and what they find averaged over a coarse grid, say more about a
few thousand images than their one layer suggests. It errs where deep networks do not, so it stands beside
them (`densenet121+patches`). train.solving finds its weights; no step of a training changes them.

    step                                 what it gives for one view
    local contrast                       1 plane
    7x7 / 2 filters and their negatives  400 maps, through a ReLU
    mean over thirds of each side        3 x 3 cells of 400
    standardised, then a linear layer    3,600 features, a logit each class

Shape suffixes: N images, F features, C classes, K x K cells, H x W pixels.
"""

import torch
from torch import nn
from torch.nn import functional

from ..runtime.errors import UsageError
from .contrast import LocalContrast

SIDE = 7
"""Of a patch, in pixels."""
FILTERS = 200
"""Each one has its negative beside it."""
CELLS = 3
"""Means are taken over thirds of a side: about where an image shows the heart and either lung."""
_STRIDE = 2
MIN_SIDE = SIDE + _STRIDE * (CELLS - 1)
"""Pixels of the smallest view that has something for each cell."""


class Patches(nn.Module):
    """Float32 (N, 1, H, W) in, logits (N, C) out; answers nothing of use before it is solved."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.contrast = LocalContrast()
        self.filters = nn.Conv2d(1, 2 * FILTERS, SIDE, stride=_STRIDE)
        count = 2 * FILTERS * CELLS**2
        self.mean_F: torch.Tensor
        self.deviation_F: torch.Tensor
        self.register_buffer("mean_F", torch.zeros(count))
        self.register_buffer("deviation_F", torch.ones(count))
        self.classifier = nn.Linear(count, classes)
        self.requires_grad_(requires_grad=False)

    def found(self, images_N1HW: torch.Tensor) -> torch.Tensor:
        """What the filters find in each cell, float32 (N, F), cell by cell.

        Raises:
            UsageError: a view is too small.
        """
        side = images_N1HW.shape[-1]
        if side < MIN_SIDE:
            raise UsageError(
                f"patches needs views of at least {MIN_SIDE} pixels, got {side}; take larger ones"
            )
        maps = self.filters(self.contrast(images_N1HW)).relu_()
        # Thirds of a side that three does not divide lap over each other by a row or two.
        step = maps.shape[-1] // CELLS
        cells_NFKK = functional.avg_pool2d(maps, maps.shape[-1] - step * (CELLS - 1), stride=step)
        return cells_NFKK.permute(0, 2, 3, 1).flatten(1)

    def standardised(self, images_N1HW: torch.Tensor) -> torch.Tensor:
        """What is found, over the training images of mean 0 and standard deviation 1: float32 (N, F)."""
        return (self.found(images_N1HW) - self.mean_F) / self.deviation_F

    def features(self, images_N1HW: torch.Tensor, cells: int = CELLS) -> torch.Tensor:
        """The features as a map whose mean they are: float32 (N, F, cells, cells).

        Each lies where its part of the image does, and is zero elsewhere, so that a heatmap shows what the
        linear layer made of each place.
        """
        values_NF = self.standardised(images_N1HW)
        return values_NF[:, :, None, None] * _places(cells).to(values_NF)

    def forward(self, images_N1HW: torch.Tensor) -> torch.Tensor:
        """Logits float32 (N, C) of normalised images."""
        logits_NC: torch.Tensor = self.classifier(self.standardised(images_N1HW))
        return logits_NC


def _places(cells: int) -> torch.Tensor:
    """Where each feature lies in a map of so many cells a side, (F, cells, cells), each of mean 1."""
    ends = torch.linspace(0, cells, CELLS + 1)
    places = torch.arange(cells)
    # Rows: thirds of the side; columns: how much of each cell of the map a third covers.
    shares = torch.minimum(ends[1:, None], places + 1) - torch.maximum(ends[:-1, None], places)
    shares = shares.clamp(min=0)
    shares /= shares.mean(1, keepdim=True)
    grid = shares[:, None, :, None] * shares[None, :, None, :]
    return grid.flatten(0, 1).repeat_interleave(2 * FILTERS, 0)
