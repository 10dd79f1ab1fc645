"""Grey images fill three input planes with the same pixels: one plane with summed weights does as much."""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from ..runtime.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn


def fold_grey_planes(network: "nn.Module", preprocessing: Preprocessing) -> tuple["nn.Module", Preprocessing]:
    """Fold each first convolution of a three-plane network to one plane, where that changes no answer.

    It changes none where the planes are normalised alike: then they are equal, and the sum over planes
    moves into the weights. Planes with means of their own (ImageNet's) stay three: zero padding is put
    around the normalised planes, so at the border no single plane stands for them.

    Returns:
        the network and preprocessing to build the graph from: folded copies, or the arguments as they are.
    """
    import torch
    from torch import nn

    from ..train.ensembles import first_convolutions

    alike = len(set(preprocessing.mean)) == 1 and len(set(preprocessing.std)) == 1
    if preprocessing.channels == 1 or not alike:
        return network, preprocessing
    folded = copy.deepcopy(network)
    firsts = first_convolutions(folded)
    if any(first.in_channels != preprocessing.channels or first.groups != 1 for first in firsts):
        return network, preprocessing
    for first in firsts:
        with torch.no_grad():
            # Summed in float64, so that folding adds no rounding of its own.
            first.weight = nn.Parameter(first.weight.double().sum(1, keepdim=True).float())
        first.in_channels = 1
    return folded, replace(preprocessing, channels=1, mean=preprocessing.mean[:1], std=preprocessing.std[:1])
