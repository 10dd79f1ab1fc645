"""Where a network's convolutional trunk ends and its head begins.

All architectures here end in a global average pool and a head on the pooled features. Taken apart at the
pool, the trunk can run on an image of any size, and the head on any part of its feature map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..runtime.crops import SHARED_PLANS
from ..runtime.errors import UsageError
from .models import PATCHES, TORCHVISION_STRIDE, check_architecture, members, stride

if TYPE_CHECKING:
    import torch
    from torch import nn

_RESNET_TRUNK = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")

Step = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The two parts of a network; head(mean of trunk(x) over H and W) is network(x)."""

    trunk: Step
    """float32 (M, channels, H, W) to the feature map (M, F, H / stride, W / stride), in whole cells."""
    head: "nn.Module"
    """float32 (M, F) to logits (M, C)."""
    stride: int = TORCHVISION_STRIDE
    """Pixels of the input between neighbouring cells of the feature map."""


def take_apart(architecture: str, network: "nn.Module") -> Anatomy:
    """Take a network of `train.models.build` apart at its global average pool.

    Raises:
        UsageError: an unknown architecture.
    """
    check_architecture(architecture)
    side_by_side = len(members(architecture)) > 1
    if side_by_side and not hasattr(network, "features"):
        raise ValueError("networks side by side are taken apart when they are joined (train.ensembles.join).")
    return Anatomy(
        trunk=_trunk("joined" if side_by_side else architecture, network),
        head=network.get_submodule(head_name(architecture)),
        stride=stride(architecture),
    )


def check_shares(architecture: str, crops: str) -> None:
    """Check that a network can take a crop plan's windows out of one feature map.

    Raises:
        UsageError: what it finds depends on where in the view it is, and a window is a view of its own.
    """
    if crops in SHARED_PLANS and PATCHES in members(architecture):
        raise UsageError(
            f"{PATCHES} looks at the thirds of each window, so windows cannot share a feature map; take "
            f"--crops {SHARED_PLANS[crops]} instead of {crops}"
        )


def head_name(architecture: str) -> str:
    """The name of a network's head among its parts."""
    alone = len(members(architecture)) == 1
    return "fc" if alone and architecture.startswith("resnet") else "classifier"


def _trunk(family: str, network: "nn.Module") -> Step:
    if family.startswith("resnet"):
        return lambda x: _run(network, _RESNET_TRUNK, x)
    features = cast(Step, network.features)
    # torchvision's forward applies this ReLU outside of `features`.
    return (lambda x: features(x).relu()) if family.startswith("densenet") else features


def _run(network: "nn.Module", parts: Sequence[str], x: "torch.Tensor") -> "torch.Tensor":
    for name in parts:
        x = network.get_submodule(name)(x)
    return x
