"""The loss of a recipe, with labels that may be missing, crops to average and a teacher to follow.

Shape suffixes: B images of a batch, N of a split, K crops of an image, C classes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from .recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Labels and the teacher's logits of a batch, float32 (B, C) each."""

    labels_BC: "torch.Tensor"
    """0 or 1."""
    known_BC: "torch.Tensor | None" = None
    """1 where the label is known, else 0; None where all are."""
    taught_BC: "torch.Tensor | None" = None
    """The teacher's logits."""


class Loss:
    """The recipe's loss.

    It is split in two, so that every process can divide its sum by what the whole batch weighs: the mean
    over all processes is then the same as one process's.
    """

    def __init__(
        self,
        recipe: Recipe,
        labels_NC: NDArray[np.uint8],
        mask_NC: NDArray[np.bool_] | None = None,
        taught_C: NDArray[np.bool_] | None = None,
    ) -> None:
        """Weigh the classes by the training split.

        Args:
            recipe: its loss, weights and smoothing.
            labels_NC: the training split's, 0 or 1.
            mask_NC: which of them are known; None for all.
            taught_C: which classes a teacher knows; None without a teacher.

        Raises:
            DataError: as `check`.
        """
        import torch

        self.recipe = recipe
        self.device = torch.device("cpu")
        self.exclusive = recipe.loss == "cross-entropy"
        self.check(labels_NC, mask_NC, split="train")
        weights_C = balance(labels_NC, mask_NC, exclusive=self.exclusive)
        balanced = recipe.positive_weight == "balanced"
        self.weights_C = torch.tensor(weights_C, dtype=torch.float32) if balanced else None
        self.taught_C = None if taught_C is None else torch.tensor(taught_C, dtype=torch.float32)

    def to(self, device: "torch.device") -> "Loss":
        """Move its weights to a device."""
        self.device = device
        for name in ("weights_C", "taught_C"):
            tensor = getattr(self, name)
            setattr(self, name, None if tensor is None else tensor.to(device))
        return self

    def check(self, labels_NC: NDArray[np.uint8], mask_NC: NDArray[np.bool_] | None, *, split: str) -> None:
        """Check that a split's labels are of the loss's kind.

        Raises:
            DataError: none of them is known, or cross-entropy has images that are not of exactly one class.
        """
        if mask_NC is not None and not mask_NC.any():
            raise DataError(f"no label of the split {split} is known; choose another --uncertain")
        if self.exclusive and (mask_NC is not None or (labels_NC.sum(axis=1) != 1).any()):
            raise DataError(
                f"the loss cross-entropy needs images of exactly one class each; the labels of the split "
                f"{split} are another kind, so use --set loss=bce"
            )

    def weight(
        self, labels_BC: NDArray[np.uint8], mask_BC: NDArray[np.bool_] | None, *, taught: bool = False
    ) -> float:
        """The weight of a batch: each known label, and each logit of the teacher, counts by its share.

        Without a teacher that is the number of known labels, or for cross-entropy the weight of its images.

        Args:
            labels_BC: of the whole batch, over all processes.
            mask_BC: which are known.
            taught: the teacher's answers count, too.
        """
        if self.exclusive:
            weights_C = np.ones(1) if self.weights_C is None else self.weights_C.cpu().numpy()
            hard = float((labels_BC * weights_C).sum())
            share = self.recipe.distill_weight if taught else 0.0
            return (1 - share) * hard + share * len(labels_BC)
        known_BC = np.ones(labels_BC.shape) if mask_BC is None else mask_BC
        share_C = np.zeros(1)
        if taught and self.taught_C is not None:
            share_C = self.recipe.distill_weight * self.taught_C.cpu().numpy()
        weight = float(((1 - share_C) * known_BC + np.broadcast_to(share_C, labels_BC.shape)).sum())
        # Nothing is known of a batch, so its sum is zero, too.
        return weight or 1.0

    def sum(self, logits_BC: "torch.Tensor", targets: Targets) -> "torch.Tensor":
        """The loss added up over a batch; divided by its `weight` it is the mean.

        Args:
            logits_BC: float32.
            targets: of the same images.

        Returns:
            a float32 scalar.
        """
        hard = self._cross_entropy if self.exclusive else self._binary
        losses = hard(logits_BC, targets)
        if targets.taught_BC is None or self.taught_C is None:
            return losses.sum()
        # What the teacher does not know is left to the labels, whole.
        share = self.recipe.distill_weight * (1.0 if self.exclusive else self.taught_C)
        return ((1 - share) * losses + share * self._distilled(logits_BC, targets.taught_BC)).sum()

    def _binary(self, logits_BC: "torch.Tensor", targets: Targets) -> "torch.Tensor":
        """(B, C), 0 where the label is not known."""
        import torch
        from torch.nn import functional

        labels_BC, smoothing = targets.labels_BC, self.recipe.label_smoothing
        if smoothing:
            labels_BC = labels_BC * (1 - smoothing) + smoothing / 2
        losses_BC = functional.binary_cross_entropy_with_logits(
            logits_BC, labels_BC, pos_weight=self.weights_C, reduction="none"
        )
        if self.recipe.loss == "focal":
            # The chance given to the wrong label; a sigmoid keeps its digits where 1 - p would not.
            missed_BC = torch.sigmoid(torch.where(targets.labels_BC > 0.5, -logits_BC, logits_BC))
            losses_BC = losses_BC * missed_BC**self.recipe.focal_gamma
        return losses_BC if targets.known_BC is None else losses_BC * targets.known_BC

    def _cross_entropy(self, logits_BC: "torch.Tensor", targets: Targets) -> "torch.Tensor":
        """(B,)."""
        from torch.nn import functional

        return functional.cross_entropy(
            logits_BC,
            targets.labels_BC.argmax(dim=1),
            weight=self.weights_C,
            label_smoothing=self.recipe.label_smoothing,
            reduction="none",
        )

    def _distilled(self, logits_BC: "torch.Tensor", taught_BC: "torch.Tensor") -> "torch.Tensor":
        """The distance from the teacher's logits, both softened (Hinton et al. 2015); (B,) or (B, C)."""
        import torch
        from torch.nn import functional

        heat = self.recipe.distill_temperature
        # Gradients shrink with the square of the temperature.
        if self.exclusive:
            soft = functional.softmax(taught_BC / heat, dim=1)
            return heat**2 * functional.cross_entropy(logits_BC / heat, soft, reduction="none")
        losses_BC = functional.binary_cross_entropy_with_logits(
            logits_BC / heat, torch.sigmoid(taught_BC / heat), reduction="none"
        )
        return heat**2 * losses_BC


def balance(
    labels_NC: NDArray[np.uint8], mask_NC: NDArray[np.bool_] | None, *, exclusive: bool
) -> NDArray[np.float64]:
    """The weight of each class, float64 (C,).

    For findings that exclude nothing, negatives/positives, by which the positives count (Rajpurkar et al.
    2017); a class with one label only counts as it stands. For classes that exclude each other, images over
    classes times the class's images, so that every class counts the same.
    """
    known_NC = np.ones(labels_NC.shape, dtype=bool) if mask_NC is None else mask_NC
    positives_C = ((labels_NC == 1) & known_NC).sum(axis=0)
    if exclusive:
        return np.where(
            positives_C > 0, len(labels_NC) / (labels_NC.shape[1] * np.maximum(positives_C, 1)), 1.0
        )
    negatives_C = ((labels_NC == 0) & known_NC).sum(axis=0)
    usable_C = (positives_C > 0) & (negatives_C > 0)
    return np.where(usable_C, negatives_C / np.maximum(positives_C, 1), 1.0)


def pool_crops(logits_BKC: "torch.Tensor", how: str, *, exclusive: bool = False) -> "torch.Tensor":
    """One answer of an image's crops: the logit of their mean probability, or their mean logit.

    System A's training averages the sigmoids of the ten crops (`probabilities`), which is also what the
    `ten` crop plan of a bundle does. It is computed from logits, so that nothing is rounded to 0 or 1.

    Args:
        logits_BKC: of K crops an image.
        how: `probabilities` or `logits`.
        exclusive: classes exclude each other, so probabilities are a softmax's.

    Returns:
        logits (B, C).
    """
    import torch
    from torch.nn import functional

    if how == "logits":
        return logits_BKC.mean(dim=1)
    if exclusive:
        return torch.logsumexp(functional.log_softmax(logits_BKC, dim=2), dim=1)
    yes_BC = torch.logsumexp(functional.logsigmoid(logits_BKC), dim=1)
    return yes_BC - torch.logsumexp(functional.logsigmoid(-logits_BKC), dim=1)
