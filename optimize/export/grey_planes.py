"""Grey images fill three input planes with the same pixels: one plane with summed weights does as much."""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from ...runtime.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn


def fold_grey_planes(network: "nn.Module", preprocessing: Preprocessing) -> tuple["nn.Module", Preprocessing]:
    """Fold the first convolution of a three-plane network to one plane, where that changes no answer.

    It changes none where the planes are normalised alike: then they are equal, and the sum over planes
    moves into the weights. Planes with means of their own (ImageNet's) stay three: zero padding is put
    around the normalised planes, so at the border no single plane stands for them.

    Returns:
        the network and preprocessing to build the graph from: folded copies, or the arguments as they are.
    """
    import torch
    from torch import nn

    alike = len(set(preprocessing.mean)) == 1 and len(set(preprocessing.std)) == 1
    if preprocessing.channels == 1 or not alike:
        return network, preprocessing
    folded = copy.deepcopy(network)
    first = next(module for module in folded.modules() if isinstance(module, nn.Conv2d))
    if first.in_channels != preprocessing.channels or first.groups != 1:
        return network, preprocessing
    with torch.no_grad():
        # Summed in float64, so that folding adds no rounding of its own.
        first.weight = nn.Parameter(first.weight.double().sum(1, keepdim=True).float())
    first.in_channels = 1
    return folded, replace(preprocessing, channels=1, mean=preprocessing.mean[:1], std=preprocessing.std[:1])
