"""The torch network of an architecture spec."""

import torch
from torch import nn

from .arch_spec import ArchitectureSpec, Block, Convolution


class SpecNetwork(nn.Module):
    """The network of a spec: float32 (N, channels, H, W) in, logits (N, classes) out.

    `features` holds its blocks in the spec's order, `classifier` its linear layer. Fresh weights follow He et
    al. 2015 (fan out), normalisations begin as the identity.
    """

    def __init__(self, spec: ArchitectureSpec) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_Block(block) for block in spec.blocks))
        self.classifier = nn.Linear(spec.features, spec.classes)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images_NPHW: torch.Tensor) -> torch.Tensor:
        """Logits float32 (N, C) of normalised images."""
        logits_NC: torch.Tensor = self.classifier(self.features(images_NPHW).mean((2, 3)))
        return logits_NC


class _Block(nn.Sequential):
    """Convolutions in a row, with the input added where the spec says so."""

    def __init__(self, block: Block) -> None:
        super().__init__(*(_convolution(convolution) for convolution in block.convolutions))
        self.shortcut = block.shortcut

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        given = maps
        for convolution in self:
            given = convolution(given)
        return maps + given if self.shortcut else given


def _convolution(spec: Convolution) -> nn.Sequential:
    steps: list[nn.Module] = [
        nn.Conv2d(
            spec.inputs,
            spec.outputs,
            spec.kernel,
            stride=spec.stride,
            padding=spec.kernel // 2,
            groups=spec.groups,
            bias=False,
        ),
        nn.BatchNorm2d(spec.outputs),
    ]
    return nn.Sequential(*steps, *([nn.ReLU(inplace=True)] if spec.relu else []))
