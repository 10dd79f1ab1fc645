"""Optimizer, learning-rate schedule and loss of a recipe. N: images of the training split, C: classes."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def make_optimizer(network: "nn.Module", recipe: Recipe) -> "Optimizer":
    """The recipe's optimizer over all parameters."""
    from torch import optim

    if recipe.optimizer == "sgd":
        return optim.SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
        )
    # fused: one pass over the weights in place of a dozen, which small images on a CPU notice.
    return optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )


def make_schedule(optimizer: "Optimizer", recipe: Recipe, *, steps: int) -> "LRScheduler":
    """The recipe's learning rate over `steps` optimizer steps."""
    from torch.optim import lr_scheduler

    if recipe.schedule == "one-cycle":
        # AdamW's betas and SGD's momentum stay as the recipe says: only the learning rate cycles.
        return lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=steps, cycle_momentum=False
        )
    if recipe.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def make_loss(labels_NC: NDArray[np.float32], recipe: Recipe) -> "nn.BCEWithLogitsLoss":
    """Binary cross-entropy over all classes.

    With `positive_weight = "balanced"` a class's positives count negatives/positives times, as in CheXNet
    (Rajpurkar et al. 2017); a class with one label only counts as it stands.
    """
    import torch
    from torch import nn

    if recipe.positive_weight == "none":
        return nn.BCEWithLogitsLoss()
    positives_C = labels_NC.sum(axis=0)
    negatives_C = len(labels_NC) - positives_C
    usable = (positives_C > 0) & (negatives_C > 0)
    weights_C = np.where(usable, negatives_C / np.maximum(positives_C, 1), 1)
    return nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weights_C, dtype=torch.float32))
