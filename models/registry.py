"""The networks xopt trains and exports by name: torchvision's without their weights, ours, searched ones.

A searched network's name holds its whole architecture spec: see models.macro and models.xray.
"""

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..runtime.errors import UsageError
from ..runtime.requires import need
from . import macro, xray
from .arch_spec import ArchitectureSpec, Block, Convolution

if TYPE_CHECKING:
    from torch import nn

SMALL_CNN = "small-cnn"
ARCHITECTURES = (
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v3_small",
    "resnet18",
    "resnet50",
    SMALL_CNN,
)
SEARCHED = (f"{macro.FAMILY}-CODE", f"{xray.FAMILY}-CODE")
"""Families of networks whose names say how they are built."""
_REMOVED = re.compile(r"\+|-lcn$|^patches$")
"""In the names of networks that version 0.1 built and later ones do not."""


def check_architecture(name: str) -> None:
    """Check that an architecture is one of ARCHITECTURES or the name of a searched network.

    Raises:
        UsageError: it is not, and the message names the nearest one; or it was removed after version 0.1.
    """
    if _REMOVED.search(name):
        parts = (part.removesuffix("-lcn") for part in name.split("+"))
        instead = next((part for part in parts if part not in ("", "patches")), "resnet18")
        raise UsageError(
            f"architecture {name!r} was removed after version 0.1: local contrast, patches and networks side "
            f"by side are no longer built; train again with {instead}"
        )
    if name in ARCHITECTURES or spec(name) is not None:
        return
    near = get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown architecture {name!r}; {guess}known are {', '.join(ARCHITECTURES + SEARCHED)}")


def spec(name: str, classes: int = 1, channels: int = 3) -> ArchitectureSpec | None:
    """The spec of a searched network or of ours; None for a name that belongs to no such family.

    Raises:
        UsageError: the family is known, the rest of the name is none of its networks.
    """
    if name == SMALL_CNN:
        return _small_cnn(classes, channels)
    if name.startswith(f"{macro.FAMILY}-"):
        skeleton, code = macro.parse(name)
        return skeleton.spec(code, classes=classes, channels=channels)
    if name.startswith(f"{xray.FAMILY}-"):
        return xray.spec(xray.parse(name), classes=classes, channels=channels)
    return None


def _small_cnn(classes: int, channels: int) -> ArchitectureSpec:
    """The spec of a small network for small images, trained from random weights.

    stage   convolutions        channels   map of a 28-pixel image
    1       5x5 / 2, 3x3 +      32         14 x 14
    2       3x3 / 2, 3x3 +      64         7 x 7
    3       3x3, 3x3 +          128        7 x 7
    4       1x1                 256        7 x 7

    Each convolution is followed by BatchNorm and ReLU; + adds the convolution's input to its output. The mean
    over the map and a linear layer give the logits. 320,929 parameters for one grey channel and one class, 17
    million multiply-accumulates at 28 pixels.
    """
    blocks = []
    width = channels
    # Kernel and stride of the first convolution, channels.
    for kernel, stride, outputs in ((5, 2, 32), (3, 2, 64), (3, 1, 128)):
        first = Convolution(inputs=width, outputs=outputs, kernel=kernel, stride=stride)
        second = Convolution(inputs=outputs, outputs=outputs, kernel=3)
        blocks += [Block(convolutions=(first,)), Block(convolutions=(second,), shortcut=True)]
        width = outputs
    blocks.append(Block(convolutions=(Convolution(inputs=width, outputs=256),)))
    return ArchitectureSpec(blocks=tuple(blocks), classes=classes)


def build(name: str, classes: int, channels: int = 3) -> "nn.Module":
    """Build a network with fresh random weights: float32 (N, channels, H, W) in, logits (N, classes) out.

    Args:
        name: one of ARCHITECTURES, or a searched network's.
        classes: number of outputs, at least 1.
        channels: input channels, 1 or 3. With 1 the first convolution reads a single grey plane.

    Raises:
        UsageError: an unknown name, or numbers no network can have.
        DependencyError: torch or torchvision is not installed.
    """
    check_architecture(name)
    if classes < 1:
        raise UsageError(f"a classifier needs at least 1 class, got {classes}")
    if channels not in (1, 3):
        raise UsageError(f"channels must be 1 or 3, got {channels}")
    need("torch", "torchvision", extra="train")
    searched = spec(name, classes, channels)
    if searched is not None:
        from .spec_network import SpecNetwork

        return SpecNetwork(searched)
    from torchvision import models

    network: nn.Module = models.get_model(name, weights=None, num_classes=classes)
    if channels != 3:
        _narrow_input(network, channels)
    return network


def _narrow_input(network: "nn.Module", channels: int) -> None:
    """Put a first convolution for `channels` planes in place of the one for three."""
    from torch import nn

    path, first = next((path, part) for path, part in network.named_modules() if isinstance(part, nn.Conv2d))
    narrow = nn.Conv2d(
        channels,
        first.out_channels,
        kernel_size=(first.kernel_size[0], first.kernel_size[1]),
        stride=(first.stride[0], first.stride[1]),
        padding=first.padding if isinstance(first.padding, str) else (first.padding[0], first.padding[1]),
        bias=first.bias is not None,
    )
    # torchvision's own initialisation of these first layers; nn.Conv2d's default is a different one.
    nn.init.kaiming_normal_(narrow.weight, mode="fan_out", nonlinearity="relu")
    parent, _, leaf = path.rpartition(".")
    setattr(network.get_submodule(parent), leaf, narrow)
