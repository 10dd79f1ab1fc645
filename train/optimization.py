"""Optimizer, learning-rate schedule and averaged weights of a recipe.

Schedules; only a plateau has anything to remember:

constant     the recipe's rate throughout
step         times schedule_factor once every schedule_every epochs, in a jump
exponential  the same in small jumps, one an epoch, so that schedule_every epochs make the factor
cosine       half a cosine wave from the rate down to nothing, step by step (Loshchilov & Hutter 2017)
one-cycle    from 1/25 up over three tenths of all steps, then down to 1/250,000 (Smith & Topin 2018)
plateau      times schedule_factor when the validation loss has not fallen for schedule_patience epochs
"""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .recipe import Recipe

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

_RISE, _START, _END = 0.3, 25.0, 1e4
_WARM_UP = 10


def make_optimizer(parameters: "Iterable[nn.Parameter]", recipe: Recipe) -> "Optimizer":
    """Make the recipe's optimizer over all parameters; its learning rate is set anew before each step."""
    from torch import optim

    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return optim.SGD(
            parameters,
            lr=rate,
            momentum=recipe.momentum,
            weight_decay=decay,
            nesterov=recipe.nesterov,
            fused=True,
        )
    kind = optim.AdamW if recipe.optimizer == "adamw" else optim.Adam
    # fused: one pass over the weights in place of a dozen, which small images on a CPU notice.
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def rate_at(recipe: Recipe, *, step: int, steps: int, epoch: int, drops: int = 0) -> float:
    """The learning rate of one optimizer step.

    Args:
        recipe: its schedule.
        step: optimizer steps done before this one.
        steps: optimizer steps of the whole training, at least 1.
        epoch: epochs done before this one.
        drops: how often a plateau was met.
    """
    top = recipe.learning_rate
    if recipe.schedule == "step":
        return float(top * recipe.schedule_factor ** (epoch // recipe.schedule_every))
    if recipe.schedule == "exponential":
        return float(top * recipe.schedule_factor ** (epoch / recipe.schedule_every))
    if recipe.schedule == "plateau":
        return float(top * recipe.schedule_factor**drops)
    if recipe.schedule == "cosine":
        return top * (1 + math.cos(math.pi * step / steps)) / 2
    if recipe.schedule == "one-cycle":
        return _one_cycle(top, step, steps)
    return top


def _one_cycle(top: float, step: int, steps: int) -> float:
    """The rate of torch's OneCycleLR, whose last step is the lowest."""
    summit = _RISE * steps - 1
    if step <= summit:
        return _between(top / _START, top, step / summit if summit else 1.0)
    left = steps - 1 - summit
    return _between(top, top / _START / _END, (step - summit) / left if left else 1.0)


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(kw_only=True)
class Plateau:
    """Counts the epochs in which the validation loss did not fall."""

    patience: int
    lowest: float = math.inf
    waited: int = 0
    """Epochs since the lowest."""
    drops: int = 0
    """How often the patience ran out."""

    def note(self, loss: float) -> None:
        """Count one epoch."""
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.waited = 0
            self.drops += 1

    def state(self) -> dict[str, Any]:
        """The values that `restore` needs."""
        return {"lowest": self.lowest, "waited": self.waited, "drops": self.drops}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.lowest, self.waited, self.drops = state["lowest"], state["waited"], state["drops"]


class WeightAverage:
    """The exponential moving average of a network's weights, which often scores above the last step's.

    Its first steps forget faster, so that the random weights of the start are gone soon: step t keeps at
    most (1 + t) / (10 + t). Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging.
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
        kept = min(self.decay, (1 + self.steps) / (_WARM_UP + self.steps))
        own, fresh = self.network.state_dict(), network.state_dict()
        floats = [key for key, tensor in own.items() if tensor.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([own[key] for key in floats], [fresh[key] for key in floats], 1 - kept)
            for key in own.keys() - set(floats):
                own[key].copy_(fresh[key])
