"""Loss, mean ROC-AUC and accuracy of a network on a split.

Shape suffixes: N images, C classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics.scores import mean_auc
from ..runtime.errors import TrainingError
from .distributed import Processes
from .inputs import SplitArrays
from .losses import Loss, Targets


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The figures of a network on a split."""

    loss: float
    auc: float | None
    """Mean over the classes with both labels; None where there is no such class."""
    accuracy: float
    """Share of right answers: of labels at probability 0.5, or of images where classes exclude each other."""


Predict = Callable[[NDArray[np.intp]], NDArray[np.float32]]
"""Image numbers (B,) to logits (B, C)."""


def predict_all(
    predict: Predict, count: int, classes: int, *, batch_size: int, processes: Processes
) -> NDArray[np.float32]:
    """The logits of a whole split, float32 (N, C), every image computed by one process and counted once."""
    mine = np.arange(count)[processes.rank :: processes.world]
    logits_NC = np.zeros((count, classes), dtype=np.float32)
    for start in range(0, len(mine), batch_size):
        indices = mine[start : start + batch_size]
        logits_NC[indices] = predict(indices)
    return processes.share_rows(logits_NC, mine)


def evaluate(logits_NC: NDArray[np.float32], split: SplitArrays, loss: Loss) -> Quality:
    """Loss, AUC and accuracy of a split's logits.

    Raises:
        TrainingError: the loss is not a number.
    """
    import torch

    labels_NC, mask_NC = split.labels_NC, split.mask_NC
    device = loss.device
    targets = Targets(
        labels_BC=torch.from_numpy(labels_NC.astype(np.float32)).to(device),
        known_BC=None if mask_NC is None else torch.from_numpy(mask_NC.astype(np.float32)).to(device),
    )
    with torch.no_grad():
        total = loss.sum(torch.from_numpy(logits_NC).to(device), targets).item()
    value = total / loss.weight(labels_NC, mask_NC)
    if not math.isfinite(value):
        raise TrainingError(
            f"the validation loss became {value}; "
            f"try a lower learning rate than {loss.recipe.learning_rate:g}"
        )
    scores_NC = logits_NC.astype(np.float64)
    if loss.exclusive:
        # Ranks of an image among others need the probability, which a single logit does not tell.
        scores_NC -= np.logaddexp.reduce(scores_NC, axis=1, keepdims=True)
    return Quality(
        loss=value,
        auc=known_auc(labels_NC, scores_NC, mask_NC),
        accuracy=_accuracy(labels_NC, scores_NC, mask_NC, exclusive=loss.exclusive),
    )


def known_auc(
    labels_NC: NDArray[np.uint8], scores_NC: NDArray[np.float64], mask_NC: NDArray[np.bool_] | None
) -> float | None:
    """Mean ROC-AUC over the classes with both labels among those that are known; None without one."""
    known_NC = labels_NC.astype(np.int8)
    return mean_auc(known_NC if mask_NC is None else np.where(mask_NC, known_NC, -1), scores_NC)


def _accuracy(
    labels_NC: NDArray[np.uint8],
    scores_NC: NDArray[np.float64],
    mask_NC: NDArray[np.bool_] | None,
    *,
    exclusive: bool,
) -> float:
    if exclusive:
        return float((labels_NC.argmax(axis=1) == scores_NC.argmax(axis=1)).mean())
    right_NC = (scores_NC >= 0) == (labels_NC == 1)
    return float(right_NC.mean() if mask_NC is None else right_NC[mask_NC].mean())
