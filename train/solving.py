"""The weights of `patches`, found in one pass over the training images instead of many small steps.

The filters are patches of the images, whitened (Coates, Lee & Ng 2011; random patches do about as well as
cluster centres there, and here). The linear layer is one Newton step of ridge-penalised logistic regression,
from the model that knows how frequent each class is and nothing else: a ridge regression of the labels, with
each class's weights divided by its variance, which makes logits of them. The penalty is the one with the
least validation loss.

Shape suffixes: N images, V views, F features, C classes, P pixels of a patch, H x W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..runtime.console import progress
from ..runtime.crops import Window, windows
from .inputs import cut_middles, cut_windows, normalise
from .losses import Loss
from .material import Material
from .patches import SIDE, Patches
from .recipe import Recipe
from .validation import judge

if TYPE_CHECKING:
    import torch

MAX_IMAGES = 4000
"""More than these, drawn at random, say little more to one layer."""
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Of the squared weights, as shares of what the features vary."""
_DRAWN = 20_000
"""Patches that the whitening is learnt from."""
_WHITENING_FLOOR = 0.01
"""Added to each variance, so that what hardly varies is not blown up; local contrast has a variance of 1."""
_THRESHOLD = 0.5
"""Of a filter's answer, in standard deviations: less than that is not counted as found."""
_LEAST = 1e-6
"""Where nothing varies at all, this much is taken to."""
_BATCH = 16
"""Images at a time, in one view each."""
_IN_ALL_VIEWS = 4
"""Images at a time, in up to ten views; a view of 224 pixels has 19 MB of maps."""
_SEED = 7_003
"""Keeps the patches' random numbers apart from those of crops and order."""


def solve(
    network: Patches, *, train: Material, val: Material, loss: Loss, recipe: Recipe, number: int
) -> None:
    """Find a network's weights, on the CPU; the network is changed in place.

    An unknown label says nothing, and the known ones of its class count for it. Views are crops at the
    corners and the centre, and their mirror images where the recipe mirrors.

    Args:
        network: fresh.
        train: images and labels to learn from, at most MAX_IMAGES of them.
        val: chooses the penalty.
        loss: judges val.
        recipe: preprocessing, crops, mirror and seed.
        number: tells networks of one seed apart.

    Raises:
        UsageError: the crops are too small for it.
    """
    import torch

    random = np.random.default_rng([recipe.seed, number, _SEED])
    chosen = random.permutation(len(train))[:MAX_IMAGES]
    with torch.no_grad():
        _take_filters(network, train.images_NHW, chosen, recipe, random)
        _standardise(network, train.images_NHW, chosen, recipe)
        _solve_head(network, train, val, loss, recipe, chosen)


def _take_filters(
    network: Patches,
    images_NHW: NDArray[np.uint8],
    chosen: NDArray[np.intp],
    recipe: Recipe,
    random: np.random.Generator,
) -> None:
    """Whitened patches of the images as filters, and their negatives."""
    import torch

    each = -(-_DRAWN // len(chosen))
    drawn = []
    for batch in _batches(chosen):
        contrast_NHW = network.contrast(_centre_crops(images_NHW, batch, recipe))[:, 0]
        all_NHWYX = contrast_NHW.unfold(1, SIDE, 1).unfold(2, SIDE, 1)
        rows, columns = random.integers(0, all_NHWYX.shape[1], size=(2, len(batch), each))
        images = torch.arange(len(batch))[:, None]
        drawn.append(
            all_NHWYX[images, torch.from_numpy(rows), torch.from_numpy(columns)].reshape(-1, SIDE**2)
        )
    patches_NP = torch.cat(drawn).double()
    mean_P = patches_NP.mean(0)
    variances_P, axes_PP = torch.linalg.eigh(torch.cov(patches_NP.T))
    whitening_PP = axes_PP * (variances_P + _WHITENING_FLOOR).rsqrt() @ axes_PP.T
    whitened_NP = (patches_NP - mean_P) @ whitening_PP
    some = random.permutation(len(whitened_NP))[: network.filters.out_channels // 2]
    chosen_KP = torch.nn.functional.normalize(whitened_NP[some], dim=1)
    filters_KP = chosen_KP @ whitening_PP
    shift_K = filters_KP @ mean_P
    least = _THRESHOLD * whitened_NP.square().mean().sqrt()
    network.filters.weight.copy_(torch.cat([filters_KP, -filters_KP]).reshape(-1, 1, SIDE, SIDE))
    assert network.filters.bias is not None
    network.filters.bias.copy_(torch.cat([-shift_K, shift_K]) - least)


def _standardise(
    network: Patches, images_NHW: NDArray[np.uint8], chosen: NDArray[np.intp], recipe: Recipe
) -> None:
    """Mean and standard deviation of what is found in the centre crops."""
    import torch

    crops = (_centre_crops(images_NHW, batch, recipe) for batch in _batches(chosen))
    found_NF = torch.cat([network.found(crop) for crop in crops]).double()
    deviation_F = found_NF.std(0, correction=0)
    network.mean_F.copy_(found_NF.mean(0))
    # A filter that finds next to nothing anywhere is not blown up to matter as much as the others.
    network.deviation_F.copy_(deviation_F + 1e-3 * deviation_F.mean() + _LEAST)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
    """What a ridge regression asks of the views of all images, float64."""

    mean_F: "torch.Tensor"
    covariance_FF: "torch.Tensor"
    with_labels_FC: "torch.Tensor"
    """Covariance of the features with what the classes' frequencies miss of the labels."""


def _solve_head(
    network: Patches,
    train: Material,
    val: Material,
    loss: Loss,
    recipe: Recipe,
    chosen: NDArray[np.intp],
) -> None:
    """The linear layer, with the penalty that val likes best."""
    import torch

    labels_NC = torch.from_numpy(train.labels_NC[chosen]).double()
    mask_NC = train.mask(chosen)
    known_NC = torch.ones_like(labels_NC) if mask_NC is None else torch.from_numpy(mask_NC).double()
    # Half an image each way: a class without a positive image is rare, not impossible.
    frequency_C = ((labels_NC * known_NC).sum(0) + 0.5) / (known_NC.sum(0) + 1)
    # Where few labels of a class are known, they stand for the others, too: all images are in the covariance.
    share_C = known_NC.mean(0).clamp(min=1 / len(chosen))
    missing_NC = (labels_NC - frequency_C) * known_NC / share_C
    # Of a softmax and of a sigmoid: what the log-likelihood's curve is there, and the logits.
    curvature_C = frequency_C if loss.exclusive else frequency_C * (1 - frequency_C)
    prior_C = frequency_C.log() if loss.exclusive else frequency_C.logit()
    if loss.weights_C is not None:
        # Positives that weigh more are as many more: the networks beside it learn such logits, too.
        prior_C = prior_C + loss.weights_C.cpu().double().clamp(min=_LEAST).log()
    moments = _moments(network, train.images_NHW, chosen, missing_NC, recipe)
    crops = (_centre_crops(val.images_NHW, batch, recipe) for batch in _batches(np.arange(len(val))))
    val_NF = torch.cat([network.standardised(crop) for crop in crops])
    varies, least = max(moments.covariance_FF.trace().item(), _LEAST), np.inf
    for penalty in PENALTIES:
        penalised_FF = moments.covariance_FF.clone()
        penalised_FF.diagonal().add_(penalty * varies)
        ridge_FC = torch.cholesky_solve(moments.with_labels_FC, torch.linalg.cholesky(penalised_FF))
        weight_FC = ridge_FC / curvature_C
        weight_CF, bias_C = weight_FC.T.float(), (prior_C - moments.mean_F @ weight_FC).float()
        quality = judge((val_NF @ weight_CF.T + bias_C).numpy(), val, loss)
        if quality.loss < least:
            least = quality.loss
            network.classifier.weight.copy_(weight_CF)
            network.classifier.bias.copy_(bias_C)


def _moments(
    network: Patches,
    images_NHW: NDArray[np.uint8],
    chosen: NDArray[np.intp],
    missing_NC: "torch.Tensor",
    recipe: Recipe,
) -> _Moments:
    """Sums over all views, a few images at a time, so that their features need not fit into memory."""
    import torch

    count, classes = network.mean_F.numel(), missing_NC.shape[1]
    squares_FF, sum_F, products_FC = (torch.zeros(count, *rest) for rest in ((count,), (), (classes,)))
    views = _views(recipe)
    starts = range(0, len(chosen), _IN_ALL_VIEWS)
    for start in progress(starts, label="solving patches", total=len(starts)):
        part = slice(start, start + _IN_ALL_VIEWS)
        crops = cut_windows(images_NHW, chosen[part], [views] * len(chosen[part]), recipe.crop)
        values_VF = network.standardised(normalise(crops, recipe.preprocessing()))
        squares_FF.addmm_(values_VF.T, values_VF)
        sum_F += values_VF.sum(0)
        products_FC.addmm_(values_VF.T, missing_NC[part].float().repeat_interleave(len(views), 0))
    seen = len(chosen) * len(views)
    mean_F = sum_F.double() / seen
    return _Moments(
        mean_F=mean_F,
        covariance_FF=squares_FF.double() / seen - torch.outer(mean_F, mean_F),
        with_labels_FC=products_FC.double() / seen - torch.outer(mean_F, missing_NC.mean(0)),
    )


def _views(recipe: Recipe) -> tuple[Window, ...]:
    """Corners and centre, each different one once."""
    plan = "ten" if recipe.mirror or recipe.ten_crop != "none" else "five"
    return tuple(dict.fromkeys(windows(plan, size=recipe.size, crop=recipe.crop)))


def _centre_crops(
    images_NHW: NDArray[np.uint8], indices_B: NDArray[np.intp], recipe: Recipe
) -> "torch.Tensor":
    """Normalised, float32 (B, 1, crop, crop)."""
    return normalise(cut_middles(images_NHW, indices_B, recipe), recipe.preprocessing())


def _batches(indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    return (indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH))
