"""Where a network's convolutional trunk ends and its head begins.

All architectures here end in a global average pool and a head on the pooled features. Taken apart at the
pool, the trunk can run on an image of any size, and the head on any part of its feature map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .registry import check_architecture, spec

if TYPE_CHECKING:
    import torch
    from torch import nn

_STRIDE = 32
"""Of every torchvision network here."""

_RESNET_TRUNK = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")

Step = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The two parts of a network; head(mean of trunk(x) over H and W) is network(x)."""

    trunk: Step
    """float32 (M, channels, H, W) to the feature map (M, F, H / stride, W / stride), in whole cells."""
    head: Step
    """float32 (M, F) to logits (M, C)."""
    stride: int = _STRIDE
    """Pixels of the input between neighbouring cells of the feature map."""


def take_apart(architecture: str, network: "nn.Module") -> Anatomy:
    """Take a network of `models.registry.build` apart at its global average pool.

    Raises:
        UsageError: an unknown architecture.
    """
    check_architecture(architecture)
    if architecture.startswith("densenet"):
        # torchvision's forward applies this ReLU outside of `features`.
        return Anatomy(
            trunk=lambda x: _run(network, ("features",), x).relu(), head=_part(network, "classifier")
        )
    if architecture.startswith("resnet"):
        return Anatomy(trunk=lambda x: _run(network, _RESNET_TRUNK, x), head=_part(network, "fc"))
    searched = spec(architecture)
    return Anatomy(
        trunk=_part(network, "features"),
        head=_part(network, "classifier"),
        stride=_STRIDE if searched is None else searched.stride,
    )


def _run(network: "nn.Module", parts: Sequence[str], x: "torch.Tensor") -> "torch.Tensor":
    for name in parts:
        x = _part(network, name)(x)
    return x


def _part(network: "nn.Module", name: str) -> Step:
    return network.get_submodule(name)
