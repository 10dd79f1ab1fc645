"""Aligning a head to the shared trunk: its windows shall answer like the exact ones.

Features pooled from the whole image's map differ from a window's own: no zero padding stood at the window's
border. What that does to a channel is much the same in every image, so the last linear layer can make up for
most of it. It is refitted by ridge regression towards the trained weights, window by window, to the exact
plan's logits on unlabelled training images. The trunk stays as it is, as in other remedies for a difference
between training and testing (Touvron et al., "Fixing the train-test resolution discrepancy", 2019).

Shape suffixes: N images, M = N * windows, F features before the last layer, C classes.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...datasets import Dataset, Split, load_images
from ...datasets.roles import PIXELS, joined, pixel_digests
from ...models.checkpoint import Checkpoint
from ...runtime.console import progress
from ...runtime.images.crops import SHARED_PLANS, exact_plan
from ...runtime.images.preprocessing import Preprocessing
from ..quantize.calibration import TRAIN, patients_apart
from .torch_reference import last_layer, window_features, window_logits

if TYPE_CHECKING:
    from torch import nn

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidates for the ridge penalty, in units of the features' mean variance."""
FOLDS = 4


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A head that was aligned, and how."""

    checkpoint: Checkpoint
    """The checkpoint with its last layer changed."""
    images: Split
    """What it was aligned on, without looking at labels."""
    dataset: str
    penalty: float
    """The one of PENALTIES with the least error on images that were held out."""
    error_before: float
    """Root mean square difference from the exact windows' logits, on these images."""
    error_held_out: float
    """The same after aligning on the other images."""
    pixels: tuple[str, ...]
    """Digests of the images' pixels (datasets.roles)."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, for a manifest."""
        return {
            "data": self.dataset,
            "split": self.images.name,
            "size": len(self.images),
            "digest": self.images.digest,
            "penalty": self.penalty,
            "logit_rms_before": self.error_before,
            "logit_rms_held_out": self.error_held_out,
            # By name and by pixels, so that anybody can check later that what is scored did not align.
            "images": list(self.images.images),
            PIXELS: joined(self.pixels),
        }


def align_head(
    checkpoint: Checkpoint, preprocessing: Preprocessing, dataset: Dataset | None, count: int
) -> Alignment | None:
    """Align a checkpoint's head to a shared plan on training images; their labels are not used.

    Args:
        checkpoint: as trained; left as it is.
        preprocessing: with the plan to export.
        dataset: its train split is drawn from, but for patients who stand in another split, too.
        count: images, spread over the split.

    Returns:
        None where there is nothing to align or nothing to align on: an exact plan, no train split, fewer than
        FOLDS images.

    Raises:
        DataError, InputError: an image is absent or cannot be decoded.
    """
    if preprocessing.crops not in SHARED_PLANS or dataset is None or TRAIN not in dataset.splits:
        return None
    chosen = patients_apart(dataset).spread(count)
    if len(chosen) < FOLDS:
        return None
    images_NHW = load_images(chosen, preprocessing)
    exact = replace(preprocessing, crops=exact_plan(preprocessing.crops))
    features, wanted = [], []
    for image_HW in progress(images_NHW, label="aligning the head", total=len(images_NHW)):
        wanted.append(window_logits(checkpoint, exact, image_HW))
        features.append(window_features(checkpoint, preprocessing, image_HW))
    features_NWF, wanted_NWC = np.stack(features), np.stack(wanted)
    last = last_layer(checkpoint.network)
    weight_CF, bias_C = (part.detach().double().numpy() for part in (last.weight, last.bias))
    missing_NWC = wanted_NWC - (features_NWF @ weight_CF.T + bias_C)
    errors = _held_out(features_NWF, missing_NWC)
    penalty = min(errors, key=lambda candidate: errors[candidate])
    ((change_CF, shift_C),) = _ridge(features_NWF, missing_NWC, (penalty,))
    return Alignment(
        checkpoint=replace(
            checkpoint, network=_with_head(checkpoint.network, weight_CF + change_CF, bias_C + shift_C)
        ),
        images=chosen,
        dataset=dataset.name,
        penalty=penalty,
        error_before=float(np.sqrt((missing_NWC**2).mean())),
        error_held_out=errors[penalty],
        pixels=pixel_digests(chosen, preprocessing),
    )


def _held_out(features_NWF: NDArray[np.float64], missing_NWC: NDArray[np.float64]) -> dict[float, float]:
    """For each penalty, the root mean square still missing, each image seen from the other folds."""
    fold_N = np.arange(len(features_NWF)) % FOLDS
    rest = {penalty: np.empty_like(missing_NWC) for penalty in PENALTIES}
    for fold in range(FOLDS):
        out = fold_N == fold
        found = _ridge(features_NWF[~out], missing_NWC[~out], PENALTIES)
        for penalty, (change_CF, shift_C) in zip(PENALTIES, found, strict=True):
            rest[penalty][out] = missing_NWC[out] - (features_NWF[out] @ change_CF.T + shift_C)
    return {penalty: float(np.sqrt((values**2).mean())) for penalty, values in rest.items()}


def _ridge(
    features_NWF: NDArray[np.float64], missing_NWC: NDArray[np.float64], penalties: Sequence[float]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each penalty, the change (C, F) and shift (C,) of a layer that make up best for what is missing."""
    features_MF = features_NWF.reshape(-1, features_NWF.shape[-1])
    missing_MC = missing_NWC.reshape(-1, missing_NWC.shape[-1])
    mean_F, mean_C = features_MF.mean(0), missing_MC.mean(0)
    centred_MF = features_MF - mean_F
    covariance_FF = centred_MF.T @ centred_MF / len(centred_MF)
    covariance_FC = centred_MF.T @ (missing_MC - mean_C) / len(centred_MF)
    # A channel that never varies says nothing; the tiny constant keeps a network of such channels solvable.
    unit_FF = max(float(np.trace(covariance_FF)) / len(covariance_FF), 1e-12) * np.eye(len(covariance_FF))
    changes_FC = [np.linalg.solve(covariance_FF + penalty * unit_FF, covariance_FC) for penalty in penalties]
    return [(change_FC.T, mean_C - mean_F @ change_FC) for change_FC in changes_FC]


def _with_head(
    network: "nn.Module", weight_CF: NDArray[np.float64], bias_C: NDArray[np.float64]
) -> "nn.Module":
    import torch

    aligned = copy.deepcopy(network)
    last = last_layer(aligned)
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weight_CF))
        last.bias.copy_(torch.from_numpy(bias_C))
    return aligned
