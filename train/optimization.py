"""The optimizer of a recipe."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .recipe import Recipe

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def make_optimizer(parameters: "Iterable[nn.Parameter]", recipe: Recipe) -> "Optimizer":
    """The recipe's optimizer over all parameters; its learning rate is set anew before each step."""
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


def set_rate(optimizer: "Optimizer", rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
