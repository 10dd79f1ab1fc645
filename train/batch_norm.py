"""BatchNorm over the whole batch of all processes, where torch's own SyncBatchNorm cannot: on CPUs.

With it several processes train what one process would with the same batch. Without it each normalises by its
own share, as DistributedDataParallel does by itself.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


class GatheredBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose statistics are of all processes' images; the same parameters by the same names."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Float32 (B, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(input)

        own = torch.full((1,), input.numel() / input.shape[1], dtype=torch.float32, device=input.device)
        # Sum and count travel together. The squares follow around the common mean: the difference of two
        # large sums would lose the digits that make the runs comparable.
        totals = _add_up(torch.cat([input.float().sum(dim=(0, 2, 3)), own]))
        count, mean = totals[-1].detach(), totals[:-1] / totals[-1].detach()
        centred = input.float() - mean.view(1, -1, 1, 1)
        variance = _add_up(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normal = centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return normal.to(input.dtype)

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _AddUp(torch.autograd.Function):
    """The sum over all processes; each one's loss depends on every one's input, so gradients add up."""

    @staticmethod
    def forward(_context: Any, own: torch.Tensor) -> torch.Tensor:
        total = own.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


def _add_up(values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _AddUp.apply(values)
    return total


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
