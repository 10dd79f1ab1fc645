"""The networks xopt trains and exports by name: torchvision's without their weights, ours, searched ones.

A searched network's name holds its whole plan: see models.macro and models.xray.
"""

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..runtime.errors import UsageError
from ..runtime.requires import need
from . import macro, small_cnn, xray
from .arch_spec import Plan

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = (
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v3_small",
    "resnet18",
    "resnet50",
    small_cnn.NAME,
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
    if name in ARCHITECTURES or plan(name) is not None:
        return
    near = get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown architecture {name!r}; {guess}known are {', '.join(ARCHITECTURES + SEARCHED)}")


def plan(name: str, classes: int = 1, channels: int = 3) -> Plan | None:
    """The plan of a searched network or of ours; None for a name that belongs to no such family.

    Raises:
        UsageError: the family is known, the rest of the name is none of its networks.
    """
    if name == small_cnn.NAME:
        return small_cnn.plan(classes, channels)
    if name.startswith(f"{macro.FAMILY}-"):
        skeleton, code = macro.parse(name)
        return skeleton.plan(code, classes=classes, channels=channels)
    if name.startswith(f"{xray.FAMILY}-"):
        return xray.plan(xray.parse(name), classes=classes, channels=channels)
    return None


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
    searched = plan(name, classes, channels)
    if searched is not None:
        from .spec_network import Planned

        return Planned(searched)
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
