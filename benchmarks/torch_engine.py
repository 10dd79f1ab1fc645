"""The reference: PyTorch as the public CheXNet code runs it, and torch.compile as its strongest form.

The public code (CheXNet's Python reimplementation, model.py: TenCrop, ToTensor, Normalize, stack, one forward
pass of all crops, mean) takes one image's crops as one batch, in FP32, eagerly. So does this. Cutting and
normalising are done on the whole stack at once, which is a little faster than crop by crop as there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from shutil import which
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..models.checkpoint import load_checkpoint
from ..runtime.errors import DependencyError
from ..runtime.images.crops import take
from ..runtime.images.preprocessing import Preprocessing
from ..runtime.requires import need
from .engines import Engine

if TYPE_CHECKING:
    import torch
    from torch import nn

Mode = Literal["eager", "compile", "compile-bf16"]


@dataclass(frozen=True, kw_only=True)
class TorchVariant:
    """A checkpoint in PyTorch."""

    name: str
    path: str
    """The checkpoint."""
    crops: str
    task: str = "multi-label"
    """multi-class takes a softmax, anything else a sigmoid."""
    mode: Mode = "eager"
    threads: int | None = None
    """None leaves the number to PyTorch: one a physical core."""
    architecture: str | None = None
    classes: tuple[str, ...] | None = None
    """For bare weights files, which do not say; None where the checkpoint does."""
    engine: str = "torch"

    @property
    def precision(self) -> str:
        """BF16 under autocast, else FP32."""
        return "BF16" if self.mode == "compile-bf16" else "FP32"

    def open(self) -> "TorchEngine":
        """Load the checkpoint.

        Raises:
            CheckpointError: it cannot be read.
            DependencyError: PyTorch is not installed.
        """
        need("torch", extra="train")
        import torch

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        checkpoint = load_checkpoint(self.path, architecture=self.architecture, classes=self.classes)
        preprocessing = replace(checkpoint.preprocessing, crops=self.crops)
        return TorchEngine(
            checkpoint.network, checkpoint.classes, preprocessing, task=self.task, mode=self.mode
        )


class TorchEngine(Engine):
    """A network in PyTorch on the CPU."""

    def __init__(
        self,
        network: "nn.Module",
        classes: Sequence[str],
        preprocessing: Preprocessing,
        *,
        task: str = "multi-label",
        mode: Mode = "eager",
    ) -> None:
        self._network = network.eval()
        self._multi_class = task == "multi-class"
        self.classes = tuple(classes)
        self.preprocessing = preprocessing
        tensors = [*self._network.parameters(), *self._network.buffers()]
        self.size_mb = sum(t.numel() * t.element_size() for t in tensors) / 1e6
        self._windows = self.preprocessing.windows()
        self._forward = _optimised(self._probabilities, mode)

    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,)."""
        import torch

        with torch.inference_mode():
            answer: NDArray[np.float32] = self._forward(self.cut(image_HW)).float().numpy()
        return answer

    def cut(self, image_HW: NDArray[np.uint8]) -> "torch.Tensor":
        """The crops of a resized image as one batch: uint8 (K, 1, crop, crop)."""
        import torch

        side = self.preprocessing.crop
        return torch.from_numpy(np.stack([take(image_HW, window, side) for window in self._windows])[:, None])

    def normalise(self, crops_K1HW: "torch.Tensor") -> "torch.Tensor":
        """Normalise crops to the network's input: float32 (K, channels, crop, crop)."""
        import torch

        facts = self.preprocessing
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (facts.mean, facts.std))
        return (crops_K1HW.float().div(255).expand(-1, facts.planes, -1, -1) - mean) / std

    def macs(self) -> int:
        """Counted by hooks on the layers during one pass."""
        return _count_macs(self._network, self.normalise(self.cut(self._blank())))

    def _probabilities(self, crops_K1HW: "torch.Tensor") -> "torch.Tensor":
        import torch

        logits_KC = self._network(self.normalise(crops_K1HW))
        scores_KC = logits_KC.softmax(dim=1) if self._multi_class else logits_KC.sigmoid()
        mean_C: torch.Tensor = scores_KC.mean(dim=0)
        return mean_C

    def _blank(self) -> NDArray[np.uint8]:
        return np.zeros((self.preprocessing.size, self.preprocessing.size), dtype=np.uint8)


def check_compiler() -> None:
    """Check, before a long run, that torch.compile will find a C++ compiler.

    Raises:
        DependencyError: there is none.
    """
    import os

    if not any(which(name) for name in (os.environ.get("CXX", "g++"), "clang++")):
        raise DependencyError(
            "torch.compile needs a C++ compiler, none found; install g++ or leave out --peers"
        )


def _optimised(forward: "Callable[[torch.Tensor], torch.Tensor]", mode: Mode) -> Any:
    if mode == "eager":
        return forward
    import torch

    # Freezing folds the weights into the compiled code: the form that is fastest on CPUs.
    compiled: Callable[[torch.Tensor], torch.Tensor] = torch.compile(
        forward, dynamic=False, options={"freezing": True}
    )
    if mode == "compile":
        return compiled

    def in_bfloat16(crops_K1HW: "torch.Tensor") -> "torch.Tensor":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return compiled(crops_K1HW)

    return in_bfloat16


def _count_macs(network: "nn.Module", batch: "torch.Tensor") -> int:
    import torch
    from torch import nn

    total = 0

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += output.numel() * layer.weight[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return total
