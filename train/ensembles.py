"""Networks trained side by side on the same batches, from random weights of their own, answering as one.

Lakshminarayanan et al. 2017, Simple and scalable predictive uncertainty estimation using deep ensembles. As
in the paper each member has its own loss: trained for their mean, members would make up for each other's
mistakes instead of making different ones. The mean is taken over logits, which one linear layer can do.

Shape suffixes: N images, P planes, F features, C classes, M members, H x W pixels or cells.
"""

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from ..runtime.errors import UsageError
from .anatomy import head_name, take_apart
from .models import build, members
from .patches import CELLS, Patches


class Ensemble(nn.Module):
    """The members as they are trained and stored."""

    def __init__(self, names: Sequence[str], members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.names = tuple(names)
        """Each member's architecture."""
        self.members = nn.ModuleList(members)

    def forward(self, images_NPHW: torch.Tensor) -> torch.Tensor:
        """Float32 logits: in training (M * N, C), one learner's after the other's, else all's mean (N, C)."""
        if self.training:
            return torch.cat([learner(images_NPHW) for learner in learners(self)])
        return torch.stack([member(images_NPHW) for member in self.members]).mean(0)


class Joined(nn.Module):
    """An ensemble that answers with one trunk and one last layer, as any other network does."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.names = ensemble.names
        self.trunks = copy.deepcopy(ensemble.members)
        for name, trunk in zip(self.names, self.trunks, strict=True):
            trunk.set_submodule(head_name(name), nn.Identity())
        self.classifier = nn.Sequential(*copy.deepcopy(_join_heads(ensemble)))

    def features(self, images_NPHW: torch.Tensor) -> torch.Tensor:
        """The members' feature maps, one upon the other: float32 (N, F, H, W).

        Raises:
            UsageError: their sides differ.
        """
        return torch.cat(_maps(self.names, self.trunks, images_NPHW), dim=1)

    def forward(self, images_NPHW: torch.Tensor) -> torch.Tensor:
        """Logits float32 (N, C) of normalised images."""
        logits_NC: torch.Tensor = self.classifier(self.features(images_NPHW).mean((2, 3)))
        return logits_NC


class _Apart(nn.Module):
    """What stands before the last layers of the members, each given its own features."""

    def __init__(self, parts: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.parts, self.widths = nn.ModuleList(parts), list(widths)

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        given = torch.split(features_NF, self.widths, dim=1)
        return torch.cat([part(one) for part, one in zip(self.parts, given, strict=True)], dim=1)


def check_sides(architecture: str, side: int) -> None:
    """Check that images of this side make maps of one size in all networks side by side.

    Raises:
        UsageError: they do not.
    """
    names = members(architecture)
    if len(set(names)) == 1:
        return
    # Shapes alone: nothing is computed, and no random number is drawn.
    with torch.device("meta"), torch.inference_mode():
        networks = [build(name, 1, 1).eval() for name in names]
        _maps(names, networks, torch.empty(1, 1, side, side))


def join(network: nn.Module) -> nn.Module:
    """An ensemble as one trunk and one last layer, on weights of its own; any other network as it is."""
    return Joined(network).eval() if isinstance(network, Ensemble) else network


def apart(network: nn.Module) -> tuple[nn.Module, ...]:
    """An ensemble's members, or the network alone."""
    return tuple(network.members) if isinstance(network, Ensemble) else (network,)


def learners(network: nn.Module) -> tuple[nn.Module, ...]:
    """The networks that learn by steps, each for itself; not those that are solved before the first one."""
    return tuple(one for one in apart(network) if not isinstance(one, Patches))


def _maps(
    names: Sequence[str], networks: Iterable[nn.Module], images_NPHW: torch.Tensor
) -> list[torch.Tensor]:
    """Each network's feature map.

    Raises:
        UsageError: their sides differ.
    """
    # Patches wait: their features are means over parts of the image, and lie on any grid the others have.
    maps = [
        network if isinstance(network, Patches) else take_apart(name, network).trunk(images_NPHW)
        for name, network in zip(names, networks, strict=True)
    ]
    sides = {
        name: one.shape[-1] for name, one in zip(names, maps, strict=True) if not isinstance(one, Patches)
    }
    if len(set(sides.values())) > 1:
        found = ", ".join(f"{cells} cells of {name}" for name, cells in sides.items())
        raise UsageError(
            f"an image of {images_NPHW.shape[-1]} pixels makes {found}; networks side by side need maps of "
            "one size, so take a side that their stride divides"
        )
    cells = next(iter(sides.values()), CELLS)
    return [one.features(images_NPHW, cells) if isinstance(one, Patches) else one for one in maps]


def _join_heads(ensemble: Ensemble) -> list[nn.Module]:
    """What gives the members' mean logit of the members' features; ends in one linear layer."""
    heads = [
        take_apart(name, member).head for name, member in zip(ensemble.names, ensemble.members, strict=True)
    ]
    layers = [[part for part in head.modules() if isinstance(part, nn.Linear)] for head in heads]
    lasts = [linear[-1] for linear in layers]
    joined = nn.Linear(sum(last.in_features for last in lasts), lasts[0].out_features)
    with torch.no_grad():
        joined.weight.copy_(torch.cat([last.weight for last in lasts], dim=1) / len(lasts))
        joined.bias.copy_(torch.stack([last.bias for last in lasts]).mean(0))
    if all(len(linear) == 1 for linear in layers):
        return [joined]
    before = [head[:-1] if isinstance(head, nn.Sequential) else nn.Identity() for head in heads]
    return [_Apart(before, [linear[0].in_features for linear in layers]), joined]


def first_convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """The convolutions that see the image: one of each network side by side."""
    trunks = network.trunks if isinstance(network, Joined) else apart(network)
    return [next(part for part in trunk.modules() if isinstance(part, nn.Conv2d)) for trunk in trunks]
