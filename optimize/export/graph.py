"""The exported graph: uint8 grey images in, probabilities out, so that a device needs no preprocessing code.

Shape suffixes: N images, V views an image (what the network runs on), M = V * N views (all images' first
views, then all second ones, ...), W windows pooled from a view's feature map (1 where a view is a window),
C classes, F features, H x W pixels or cells, P input planes of the network.
"""

import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...models.backbone import NetworkParts
from ...runtime.images.crops import SHARED_PLANS, Window
from ...runtime.images.preprocessing import Preprocessing


class InferenceGraph(nn.Module):
    """A network with its preprocessing before it and the mean over crops behind it.

    Args:
        network: in eval mode. Its parameters keep their names, after `network.`.
        parts: its backbone and head.
        preprocessing: what is done to an image.
        task: multi-class ends in a softmax, every other task in a sigmoid.
    """

    def __init__(
        self, network: nn.Module, parts: NetworkParts, preprocessing: Preprocessing, task: str
    ) -> None:
        super().__init__()
        self.network = network
        # In a tuple, so that the head is not registered a second time, under a second name.
        self._parts = (parts,)
        self.views = preprocessing.views()
        self.side = preprocessing.view_size
        self.exclusive = task == "multi-class"
        mean_P = torch.tensor(preprocessing.mean, dtype=torch.float64)
        std_P = torch.tensor(preprocessing.std, dtype=torch.float64)
        # (x / 255 - mean) / std as one multiplication and one addition, rounded to float32 once.
        self.scale_P11: torch.Tensor
        self.shift_P11: torch.Tensor
        self.register_buffer("scale_P11", (1 / (255 * std_P)).float().reshape(-1, 1, 1))
        self.register_buffer("shift_P11", (-mean_P / std_P).float().reshape(-1, 1, 1))
        self.pooling: torch.Tensor | None
        self.register_buffer("pooling", self._window_pooling(preprocessing))

    def forward(self, image_NHW: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Answer for uint8 images (N, size, size).

        Returns:
            probabilities (N, C);
            activation maps (N, V, C, H, W): the head's logits at every cell of every view's feature map;
            probabilities per window (M, W, C); activation maps per view (M, C, H, W); the views themselves,
            uint8 (M, 1, side, side). The last three are there to give tensors inside the graph a name.
        """
        views_M1HW = self.cut(image_NHW)
        # Broadcasting against P scales is what copies the grey plane to the network's planes.
        features_MFHW = self._parts[0].backbone(views_M1HW.float() * self.scale_P11 + self.shift_P11)
        logits_MWC = self._head(self._pool(features_MFHW))
        answers_MWC = logits_MWC.softmax(-1) if self.exclusive else logits_MWC.sigmoid()
        maps_MCHW = self._head(features_MFHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        count = len(self.views)
        answers_VNWC = answers_MWC.reshape(count, -1, *answers_MWC.shape[1:])
        maps_NVCHW = maps_MCHW.reshape(count, -1, *maps_MCHW.shape[1:]).transpose(0, 1)
        return answers_VNWC.mean((0, 2)), maps_NVCHW, answers_MWC, maps_MCHW, views_M1HW

    def cut(self, image_NHW: torch.Tensor) -> torch.Tensor:
        """The views of images, uint8 (M, 1, side, side)."""
        views = []
        for view in self.views:
            rows = slice(view.top, view.top + self.side)
            columns = slice(view.left, view.left + self.side)
            view_NHW = image_NHW[:, rows, columns]
            views.append(view_NHW.flip(-1) if view.mirrored else view_NHW)
        return torch.cat(views).unsqueeze(1)

    def _pool(self, features_MFHW: torch.Tensor) -> torch.Tensor:
        """Features averaged over each window, (M, W, F)."""
        if self.pooling is None:
            return features_MFHW.mean((2, 3)).unsqueeze(1)
        return torch.matmul(self.pooling, features_MFHW.flatten(2).transpose(1, 2))

    def _head(self, features: torch.Tensor) -> torch.Tensor:
        """The head at every place of (..., F): logits (..., C)."""
        logits: torch.Tensor = self._parts[0].head(features.reshape(-1, features.shape[-1]))
        return logits.reshape(*features.shape[:-1], logits.shape[-1])

    def _window_pooling(self, preprocessing: Preprocessing) -> torch.Tensor | None:
        """Weights (W, cells) for a shared plan, None where every view is one window."""
        if preprocessing.crops not in SHARED_PLANS:
            return None
        cells, window_cells = (self._cells(side, preprocessing) for side in (self.side, preprocessing.crop))
        # The mirrored view gives the mirrored windows, so each view needs the unmirrored five.
        unmirrored = tuple(window for window in preprocessing.windows() if not window.mirrored)
        stride = self._parts[0].stride
        weights_WHH = window_weights(unmirrored, cells=cells, window_cells=window_cells, stride=stride)
        return torch.from_numpy(weights_WHH).flatten(1)

    def _cells(self, side: int, preprocessing: Preprocessing) -> int:
        """Side of the feature map of a view of this side."""
        with torch.inference_mode():
            return self._parts[0].backbone(torch.zeros(1, preprocessing.planes, side, side)).shape[-1]


def window_weights(
    windows: tuple[Window, ...], *, cells: int, window_cells: int, stride: int
) -> NDArray[np.float32]:
    """Weights with which each window averages the cells of the whole image's feature map.

    A convolutional network answers a shifted image with a shifted map: cell k of a window that begins t
    pixels into the image lies at t / stride + k cells of the whole map. Where that is between two cells,
    they are interpolated linearly. What the zero padding at a window's own border does is not reproduced.

    Args:
        windows: unmirrored.
        cells: h, side of the whole image's map.
        window_cells: side of the map that a window alone would give.
        stride: pixels between cells.

    Returns:
        float32 (W, h, h), each window's weights summing to 1.
    """
    lines = [
        [_line(start / stride, cells, window_cells) for start in (window.top, window.left)]
        for window in windows
    ]
    return np.stack([np.outer(rows, columns) for rows, columns in lines]).astype(np.float32)


def _line(start: float, cells: int, window_cells: int) -> NDArray[np.float64]:
    """Weights (h,) along one side: the mean of linear interpolations at start, start + 1, ..."""
    # A map is rounded up to whole cells, so the last place of a window can lie just beyond the last cell.
    places = np.clip(start + np.arange(window_cells), 0, cells - 1)
    below = np.floor(places).astype(np.intp)
    part = places - below
    weights = np.zeros(cells)
    np.add.at(weights, below, 1 - part)
    np.add.at(weights, np.minimum(below + 1, cells - 1), part)
    return weights / window_cells


def fold_grey_planes(network: nn.Module, preprocessing: Preprocessing) -> tuple[nn.Module, Preprocessing]:
    """Fold the first convolution of a three-plane network to one plane, where that changes no answer.

    It changes none where the planes are normalised alike: then they are equal, and the sum over planes
    moves into the weights. Planes with means of their own (ImageNet's) stay three: zero padding is put
    around the normalised planes, so at the border no single plane stands for them.

    Returns:
        the network and preprocessing to build the graph from: folded copies, or the arguments as they are.
    """
    alike = len(set(preprocessing.mean)) == 1 and len(set(preprocessing.std)) == 1
    if preprocessing.planes == 1 or not alike:
        return network, preprocessing
    folded = copy.deepcopy(network)
    first = next(module for module in folded.modules() if isinstance(module, nn.Conv2d))
    if first.in_channels != preprocessing.planes or first.groups != 1:
        return network, preprocessing
    with torch.no_grad():
        # Summed in float64, so that folding adds no rounding of its own.
        first.weight = nn.Parameter(first.weight.double().sum(1, keepdim=True).float())
    first.in_channels = 1
    one_plane = replace(preprocessing, planes=1, mean=preprocessing.mean[:1], std=preprocessing.std[:1])
    return folded, one_plane
