"""The networks xopt trains and exports by name: torchvision's without their weights, ours, searched ones.

A searched network's name holds its whole plan: see train.macro and train.xray. Names joined by a plus are
networks side by side: see train.ensembles.
"""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..runtime.errors import UsageError
from ..runtime.requires import need
from . import macro, small_cnn, xray
from .plans import Plan

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
CONTRAST = "-lcn"
"""After one of ARCHITECTURES: it sees the grey plane's local contrast as a second plane (train.contrast)."""
PATCHES = "patches"
"""Solved from the training images before the first step (train.solving), so it stands beside a network that
learns by steps."""

SIDE_BY_SIDE = "+"
"""Between the names of networks that answer as one."""
MAX_MEMBERS = 16
"""More than anybody trains together; a longer name is a slip."""
TORCHVISION_STRIDE = 32
"""Of every torchvision network here."""


def members(name: str) -> tuple[str, ...]:
    """The networks that stand side by side: `resnet18+resnet18` are two, a name without a plus is one."""
    return tuple(name.split(SIDE_BY_SIDE))


def check_architecture(name: str) -> None:
    """Check that an architecture, or each one side by side, is one of ARCHITECTURES or a searched network.

    Raises:
        UsageError: it is not, and the message names the nearest one; or those side by side do not fit.
    """
    names = members(name)
    if len(names) > MAX_MEMBERS:
        raise UsageError(f"{len(names)} networks side by side; at most {MAX_MEMBERS} are built")
    for one in names:
        _check_known(one)
    strides = {one: _stride(one) for one in names if one != PATCHES}
    if len(set(strides.values())) > 1:
        found = ", ".join(f"{one} {pixels}" for one, pixels in strides.items())
        raise UsageError(f"networks side by side need the same stride in pixels, found {found}; take others")


def _check_known(name: str) -> None:
    if name.removesuffix(CONTRAST) in ARCHITECTURES or name == PATCHES or plan(name) is not None:
        return
    known = (*ARCHITECTURES, PATCHES)
    near = get_close_matches(
        name.lower(), (*known, *(one + CONTRAST for one in ARCHITECTURES)), n=1, cutoff=0.5
    )
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"unknown architecture {name!r}; {guess}known are {', '.join(known + SEARCHED)}, and NAME{CONTRAST}"
    )


def check_learns(name: str) -> None:
    """Check that a training's steps have something to change.

    Raises:
        UsageError: all networks are solved before the first step; or an unknown architecture.
    """
    check_architecture(name)
    if set(members(name)) == {PATCHES}:
        raise UsageError(
            f"{PATCHES} is solved before the first step of a training and learns nothing from one; put it "
            f"beside a network that does: resnet18{SIDE_BY_SIDE}{PATCHES}"
        )


def check_channels(name: str, channels: int) -> None:
    """Check that networks can read so many planes.

    Raises:
        UsageError: one of them reads a single grey plane, and there are more.
    """
    for one in members(name):
        if channels != 1 and (one == PATCHES or one.endswith(CONTRAST)):
            raise UsageError(
                f"{one} reads one grey plane, got {channels} channels; set channels = 1 in the recipe, and a "
                "single mean and std"
            )


def stride(name: str) -> int:
    """Pixels of the input between neighbouring cells of an architecture's feature map.

    Raises:
        UsageError: an unknown architecture.
    """
    check_architecture(name)
    return next((_stride(one) for one in members(name) if one != PATCHES), TORCHVISION_STRIDE)


def _stride(name: str) -> int:
    searched = plan(name.removesuffix(CONTRAST))
    return TORCHVISION_STRIDE if searched is None else searched.stride


def plan(name: str, classes: int = 1, channels: int = 3) -> Plan | None:
    """The plan of a searched network or of ours; None for a name that is of no such family, or of several.

    Raises:
        UsageError: the family is known, the rest of the name is none of its networks.
    """
    if SIDE_BY_SIDE in name:
        return None
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
        name: one of ARCHITECTURES, a searched network's, or several joined by a plus, which become a
            train.ensembles.Ensemble.
        classes: number of outputs, at least 1.
        channels: input channels, 1 or 3. With 1 the first convolution reads a single grey plane.

    Raises:
        UsageError: an unknown name, or numbers the network cannot have.
        DependencyError: torch or torchvision is not installed.
    """
    check_architecture(name)
    if classes < 1:
        raise UsageError(f"a classifier needs at least 1 class, got {classes}")
    if channels not in (1, 3):
        raise UsageError(f"channels must be 1 or 3, got {channels}")
    check_channels(name, channels)
    need("torch", "torchvision", extra="train")
    names = members(name)
    if len(names) == 1:
        return _build(name, classes, channels)
    from .ensembles import Ensemble

    return Ensemble(names, [_build(one, classes, channels) for one in names])


def _build(name: str, classes: int, channels: int) -> "nn.Module":
    if name == PATCHES:
        from .patches import Patches

        return Patches(classes)
    if name.endswith(CONTRAST):
        return _with_contrast(_build(name.removesuffix(CONTRAST), classes, channels=2))
    searched = plan(name, classes, channels)
    if searched is not None:
        from .planned import Planned

        return Planned(searched)
    from torchvision import models

    network: nn.Module = models.get_model(name, weights=None, num_classes=classes)
    if channels != 3:
        _narrow_input(network, channels)
    return network


def _with_contrast(network: "nn.Module") -> "nn.Module":
    """Put local contrast before the first convolution of a network of two planes."""
    from torch import nn

    from .contrast import WithLocalContrast

    path, first = next((path, part) for path, part in network.named_modules() if isinstance(part, nn.Conv2d))
    network.set_submodule(path, nn.Sequential(WithLocalContrast(), first))
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
