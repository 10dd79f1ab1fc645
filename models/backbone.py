"""A network split at its global average pool into backbone and head.

All architectures here end in a global average pool and a head on the pooled features. The backbone alone can
run on an image of any size, and the head on any part of its feature map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .registry import spec

if TYPE_CHECKING:
    import torch
    from torch import nn

_STRIDE = 32
"""Of every torchvision network here."""

_RESNET_BACKBONE = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")

Step = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class NetworkParts:
    """The two parts of a network; head(mean of backbone(x) over H and W) is network(x)."""

    backbone: Step
    """float32 (M, channels, H, W) to the feature map (M, F, H / stride, W / stride), in whole cells."""
    head: Step
    """float32 (M, F) to logits (M, C)."""
    stride: int = _STRIDE
    """Pixels of the input between neighbouring cells of the feature map."""


def split_network(architecture: str, network: "nn.Module") -> NetworkParts:
    """Split a network of `models.registry.build` at its global average pool."""
    if architecture.startswith("densenet"):
        # torchvision's forward applies this ReLU outside of `features`.
        return NetworkParts(
            backbone=lambda x: _run(network, ("features",), x).relu(), head=_part(network, "classifier")
        )
    if architecture.startswith("resnet"):
        return NetworkParts(backbone=lambda x: _run(network, _RESNET_BACKBONE, x), head=_part(network, "fc"))
    searched = spec(architecture)
    return NetworkParts(
        backbone=_part(network, "features"),
        head=_part(network, "classifier"),
        stride=_STRIDE if searched is None else searched.stride,
    )


def _run(network: "nn.Module", parts: Sequence[str], x: "torch.Tensor") -> "torch.Tensor":
    for name in parts:
        x = _part(network, name)(x)
    return x


def _part(network: "nn.Module", name: str) -> Step:
    return network.get_submodule(name)
