"""The running mean of a network's weights, which often answers better than the last step's.

Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_WARM_UP = 10


class Average:
    """The exponential moving average of a network.

    Its first steps forget faster, so that the random weights of the start are gone soon: step t keeps at
    most (1 + t) / (10 + t).
    """

    def __init__(self, network: "nn.Module", decay: float) -> None:
        self.network = deepcopy(network).eval().requires_grad_(requires_grad=False)
        """The averaged network. BatchNorm's running statistics are averaged as the weights are."""
        self.decay = decay
        self.steps = 0

    def update(self, network: "nn.Module") -> None:
        """Take in the weights after one optimizer step."""
        import torch

        self.steps += 1
        stays = min(self.decay, (1 + self.steps) / (_WARM_UP + self.steps))
        own, fresh = self.network.state_dict(), network.state_dict()
        floats = [key for key, tensor in own.items() if tensor.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([own[key] for key in floats], [fresh[key] for key in floats], 1 - stays)
            for key in own.keys() - set(floats):
                own[key].copy_(fresh[key])
