"""The exported graph: uint8 grey images in, probabilities out, so that a device needs no preprocessing code.

Shape suffixes: N images, K crops an image, M = K * N crops (all images' first crops, then all second
ones, ...), C classes, H x W pixels, P input planes of the network.
"""

import torch
from torch import nn

from ..runtime.preprocessing import Preprocessing


class InferenceGraph(nn.Module):
    """A network with its preprocessing before it and the mean over crops behind it.

    Args:
        network: float32 (M, P, crop, crop) to logits (M, C).
        preprocessing: what is done to an image.
        task: multi-class ends in a softmax, every other task in a sigmoid.
    """

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, task: str) -> None:
        super().__init__()
        self.network = network
        self.windows = preprocessing.windows()
        self.crop = preprocessing.crop
        self.exclusive = task == "multi-class"
        mean_P = torch.tensor(preprocessing.mean, dtype=torch.float64)
        std_P = torch.tensor(preprocessing.std, dtype=torch.float64)
        # (x / 255 - mean) / std as one multiplication and one addition, rounded to float32 once.
        self.scale_P11: torch.Tensor
        self.shift_P11: torch.Tensor
        self.register_buffer("scale_P11", (1 / (255 * std_P)).float().reshape(-1, 1, 1))
        self.register_buffer("shift_P11", (-mean_P / std_P).float().reshape(-1, 1, 1))

    def forward(self, image_NHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Answer for uint8 images (N, size, size).

        Returns:
            probabilities (N, C); probabilities per crop (M, C); the crops themselves, uint8
            (M, 1, crop, crop). The last two are there to give two tensors inside the graph a name.
        """
        crops_M1HW = self.cut(image_NHW)
        # Broadcasting against P scales is what copies the grey plane to the network's planes.
        logits_MC = self.network(crops_M1HW.float() * self.scale_P11 + self.shift_P11)
        crop_probabilities_MC = logits_MC.softmax(1) if self.exclusive else logits_MC.sigmoid()
        crop_probabilities_KNC = crop_probabilities_MC.reshape(len(self.windows), -1, logits_MC.shape[1])
        return crop_probabilities_KNC.mean(0), crop_probabilities_MC, crops_M1HW

    def cut(self, image_NHW: torch.Tensor) -> torch.Tensor:
        """The crops of images, uint8 (M, 1, crop, crop)."""
        crops = []
        for window in self.windows:
            rows = slice(window.top, window.top + self.crop)
            columns = slice(window.left, window.left + self.crop)
            crop_NHW = image_NHW[:, rows, columns]
            crops.append(crop_NHW.flip(-1) if window.mirrored else crop_NHW)
        return torch.cat(crops).unsqueeze(1)
