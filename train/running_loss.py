"""The loss of each step, looked at as seldom as the device needs and as often as a person does."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..runtime.errors import TrainingError
from .distributed import Processes
from .recipe import Recipe

if TYPE_CHECKING:
    import torch

_STRIDE = 20
"""Steps between two looks on an accelerator: each look waits for all that was given to it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimizer step, for the log."""

    epoch: int
    step: int
    """From 1, over all epochs."""
    learning_rate: float
    loss: float


class RunningLoss:
    """Collects the losses of steps, and checks that they are numbers before anything is saved of them."""

    def __init__(self, processes: Processes, recipe: Recipe) -> None:
        self.processes, self.recipe = processes, recipe
        self.stride = 1 if processes.device.type == "cpu" else _STRIDE
        self.epoch_losses: list[float] = []
        """Of the steps of the epoch under way."""
        self.log: list[Step] = []
        """Steps that nobody has written down yet."""
        self._parts: list[torch.Tensor] = []
        self._open: list[tuple[int, int, float, torch.Tensor]] = []

    @property
    def mean(self) -> float:
        """Mean loss of the epoch under way."""
        return sum(self.epoch_losses) / max(1, len(self.epoch_losses))

    def add(self, loss: "torch.Tensor") -> None:
        """Take in this process's part of one batch's loss."""
        self._parts.append(loss)

    def close_step(self, epoch: int, step: int, rate: float) -> None:
        """The parts so far make one step."""
        self._open.append((epoch, step, rate, sum(self._parts[1:], self._parts[0])))
        self._parts.clear()
        if len(self._open) >= self.stride:
            self.settle()

    def settle(self) -> None:
        """Look at all losses so far.

        Raises:
            TrainingError: one is not a number.
        """
        import torch

        if not self._open:
            return
        values = self.processes.add_up(torch.stack([loss for *_, loss in self._open])).tolist()
        for (epoch, step, rate, _), value in zip(self._open, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the training loss became {value} in epoch {epoch}, step {step}; "
                    f"try a lower learning rate than {self.recipe.learning_rate:g}"
                )
            self.epoch_losses.append(value)
            self.log.append(Step(epoch=epoch, step=step, learning_rate=rate, loss=value))
        self._open.clear()

    def start_epoch(self) -> None:
        """Forget the epoch's losses."""
        self.epoch_losses = []
