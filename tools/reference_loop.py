"""The usual first version of CheXNet's training, to be compared with.

Image files decoded in the loop by one worker, ten crops of three equal planes, FP32, contiguous tensors, SGD,
four images a step (system A). It is kept plain on purpose.

Shape suffixes: B images of a step, K crops of an image, P planes, C classes, M = B x K.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xopt.datasets import Split
from xopt.runtime.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

BATCH, CROPS = 4, 10
PREPROCESSING = Preprocessing()


class ReferenceLoop:
    """A network and its plain training, a step at a time."""

    def __init__(self, split: Split, classes: int, device: str = "cpu") -> None:
        from torch import nn, optim
        from torchvision.models import densenet121

        self.device = device
        self.network: nn.Module = densenet121(weights=None, num_classes=classes).to(device).train()
        self.optimizer = optim.SGD(self.network.parameters(), lr=1e-4, momentum=0.9)
        self.loss = nn.BCEWithLogitsLoss()
        self.batches = _batches(split)

    def step(self) -> None:
        """One step forward and backward, with the feeding of its data."""
        crops_BKPHW, labels_BC = next(self.batches)
        batch, crops = crops_BKPHW.shape[:2]
        logits_MC = self.network(crops_BKPHW.flatten(0, 1).to(self.device))
        loss = self.loss(logits_MC.view(batch, crops, -1).mean(1), labels_BC.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()

    def close(self) -> None:
        """Let the worker go."""
        self.batches.close()

    def wait(self) -> None:
        """Let a GPU finish what it was given."""
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def _batches(split: Split) -> "Generator[tuple[torch.Tensor, torch.Tensor]]":
    """Batches of ten crops, float32 (B, 10, 3, crop, crop), and labels (B, C), without end."""
    import torch
    from torchvision import transforms

    cut = transforms.Compose(
        [
            transforms.Resize((PREPROCESSING.size, PREPROCESSING.size)),
            transforms.TenCrop(PREPROCESSING.crop),
            transforms.Lambda(
                lambda crops: torch.stack(
                    [
                        transforms.functional.normalize(
                            transforms.functional.to_tensor(crop), PREPROCESSING.mean, PREPROCESSING.std
                        )
                        for crop in crops
                    ]
                )
            ),
        ]
    )

    def batch(rows: list[int]) -> "tuple[torch.Tensor, torch.Tensor]":
        labels_BC = torch.from_numpy(split.labels_NC[rows].astype(np.float32))
        return torch.stack([cut(_open(split, row)) for row in rows]), labels_BC

    rows = _rows(len(split))
    with ThreadPoolExecutor(max_workers=1) as worker:
        following = worker.submit(batch, next(rows))
        while True:
            ready, following = following, worker.submit(batch, next(rows))
            yield ready.result()


def _rows(count: int) -> Iterator[list[int]]:
    """The images of each step, every epoch in another order."""
    random = np.random.default_rng(0)
    waiting: list[int] = []
    while True:
        while len(waiting) < BATCH:
            waiting += random.permutation(count).tolist()
        yield waiting[:BATCH]
        waiting = waiting[BATCH:]


def _open(split: Split, row: int) -> "Image":
    from PIL import Image

    source = split.source(row)
    picture = Image.open(source) if isinstance(source, Path) else Image.fromarray(source)
    return picture.convert("RGB")
