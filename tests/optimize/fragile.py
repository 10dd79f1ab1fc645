"""Networks that INT8 breaks, though in floating point they compute what they did before.

A few channels between a normalisation and the next convolution are made fifty times as large, and that
convolution's weights for them fifty times as small. A ReLU between the two lets a positive factor through.
The range of 8 bits then has to span the large channels, and the small weights round to zero.
"""

import copy

from torch import nn

FACTOR = 50.0


def make_fragile(network: nn.Module, pairs, *, channels: int = 4, factor: float = FACTOR) -> nn.Module:
    """A copy of a network with large channels between each (normalisation, convolution) of `pairs`."""
    import torch

    changed = copy.deepcopy(network)
    with torch.no_grad():
        for before, after in pairs:
            norm, conv = changed.get_submodule(before), changed.get_submodule(after)
            # The channels that reach the largest values: the others are left the fewest steps.
            chosen = (norm.bias + norm.weight.abs()).topk(channels).indices
            norm.weight[chosen] *= factor
            norm.bias[chosen] *= factor
            conv.weight[:, chosen] /= factor
    return changed


def dense_pairs() -> list[tuple[str, str]]:
    """A few pairs of a DenseNet: all that is passed on between blocks, and two layers inside."""
    inside = [f"features.denseblock{block}.denselayer{layer}" for block, layer in ((1, 2), (3, 4))]
    between = [(f"features.transition{i}.norm", f"features.transition{i}.conv") for i in (1, 2, 3)]
    return [*between, *((f"{stem}.norm2", f"{stem}.conv2") for stem in inside)]


def basic_pairs(*blocks: str) -> list[tuple[str, str]]:
    """Pairs inside blocks of a ResNet of two convolutions (`layer1.0`)."""
    return [(f"{block}.bn1", f"{block}.conv2") for block in blocks]
