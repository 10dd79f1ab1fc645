"""The crop plans in PyTorch eager: what exported graphs are compared with.

The preprocessing and the pooling are written here a second time, on arrays and from their definition, so that
a mistake in the exported ones shows.

Shape suffixes: V views, K windows, C classes, F features, H x W pixels or cells, P planes.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...models.checkpoint import Checkpoint
from ...runtime.images.crops import exact_plan, take
from ...runtime.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from torch import nn


def torch_probabilities(
    checkpoint: Checkpoint, preprocessing: Preprocessing, image_HW: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Probabilities float32 (C,) of one resized image, by the network in PyTorch eager."""
    import torch

    logits_KC = torch.from_numpy(window_logits(checkpoint, preprocessing, image_HW))
    probabilities_KC = logits_KC.softmax(1) if checkpoint.task == "multi-class" else logits_KC.sigmoid()
    answer: NDArray[np.float32] = probabilities_KC.mean(0).numpy()
    return answer


def window_logits(
    checkpoint: Checkpoint, preprocessing: Preprocessing, image_HW: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Logits float32 (K, C) of every window of the crop plan, in its order."""
    import torch

    input_VPHW = _input(preprocessing, image_HW)
    with torch.inference_mode():
        if preprocessing.crops == exact_plan(preprocessing.crops):
            logits_KC = checkpoint.network(input_VPHW)
        else:
            logits_KC = checkpoint.parts.head(_pooled(checkpoint, preprocessing, input_VPHW))
        answer: NDArray[np.float32] = logits_KC.numpy()
    return answer


def window_features(
    checkpoint: Checkpoint, preprocessing: Preprocessing, image_HW: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """The last layer's input for every window of the shared plan: float64 (K, F)."""
    import torch

    seen: list[torch.Tensor] = []
    hook = last_layer(checkpoint.network).register_forward_hook(
        lambda _layer, taken, _given: seen.extend(taken)
    )
    try:
        with torch.inference_mode():
            pooled_KF = _pooled(checkpoint, preprocessing, _input(preprocessing, image_HW))
            checkpoint.parts.head(pooled_KF)
    finally:
        hook.remove()
    features: NDArray[np.float64] = seen[0].double().numpy()
    return features


def last_layer(network: "nn.Module") -> "nn.Linear":
    """The linear layer that gives the logits."""
    from torch import nn

    return [part for part in network.modules() if isinstance(part, nn.Linear)][-1]


def _input(preprocessing: Preprocessing, image_HW: NDArray[np.uint8]) -> "torch.Tensor":
    """The views of an image, normalised: float32 (V, P, H, W)."""
    import torch

    side = preprocessing.view_size
    views_VHW = np.stack([take(image_HW, view, side) for view in preprocessing.views()])
    planes = [
        (views_VHW / 255 - mean) / std
        for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)
    ]
    return torch.from_numpy(np.stack(planes, axis=1).astype(np.float32))


def _pooled(
    checkpoint: Checkpoint, preprocessing: Preprocessing, views_VPHW: "torch.Tensor"
) -> "torch.Tensor":
    """Features (K, F) of all windows, interpolated one window at a time."""
    import torch

    parts = checkpoint.parts
    whole_VFHW = parts.backbone(views_VPHW)
    cells = parts.backbone(views_VPHW[:1, :, : preprocessing.crop, : preprocessing.crop]).shape[-1]
    unmirrored = [window for window in preprocessing.windows() if not window.mirrored]
    pooled = []
    for view_FHW in whole_VFHW:
        for window in unmirrored:
            rows, columns = (
                _mean_interpolation(start / parts.stride + np.arange(cells), view_FHW.shape[-1])
                for start in (window.top, window.left)
            )
            pooled.append(torch.einsum("fhw,h,w->f", view_FHW, rows, columns))
    return torch.stack(pooled)


def _mean_interpolation(places: NDArray[np.floating], cells: int) -> "torch.Tensor":
    """The weight of each cell in the mean of a line's values at these places."""
    import torch

    weights = [np.interp(places, np.arange(cells), one).mean() for one in np.eye(cells)]
    return torch.tensor(weights, dtype=torch.float32)
