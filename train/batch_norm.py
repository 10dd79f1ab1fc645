"""BatchNorm over the whole batch of all processes, where torch's own SyncBatchNorm cannot: on CPUs.

With it several processes train what one process would with the same batch. Without it each normalises by its
own share, as DistributedDataParallel does by itself.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import torch


class GatheredBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose statistics are of all processes' images; the same parameters by the same names."""

    def forward(self, input: "torch.Tensor") -> "torch.Tensor":  # noqa: A002
        """Float32 (B, C, H, W) to the same shape."""
        import torch

        if not self.training:
            return super().forward(input)
        from torch.distributed.nn import functional

        # torch has no types here.
        all_reduce: Callable[[torch.Tensor], torch.Tensor] = functional.all_reduce

        own = torch.full((1,), input.numel() / input.shape[1], dtype=torch.float32, device=input.device)
        # Sum and count travel together. The squares follow around the common mean: the difference of two
        # large sums would lose the digits that make the runs comparable.
        totals = all_reduce(torch.cat([input.float().sum(dim=(0, 2, 3)), own]))
        count, mean = totals[-1].detach(), totals[:-1] / totals[-1].detach()
        centred = input.float() - mean.view(1, -1, 1, 1)
        variance = all_reduce(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normal = centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return normal.to(input.dtype)

    def _remember(self, mean: "torch.Tensor", variance: "torch.Tensor") -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def gather_batch_norm(network: nn.Module) -> None:
    """Make every BatchNorm2d of a network one over all processes, in place; its parameters stay the same."""
    for part in network.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = GatheredBatchNorm2d


def separate_batch_norm(network: nn.Module) -> None:
    """Make BatchNorm2d of those over all processes, torch's own ones too; in place."""
    for part in network.modules():
        if isinstance(part, GatheredBatchNorm2d | nn.SyncBatchNorm):
            part.__class__ = nn.BatchNorm2d  # type: ignore[assignment]
