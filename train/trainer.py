"""The trainer: epochs of steps, each followed by an evaluation on the validation split.

Shape suffixes: B images of a batch (of this process), V crops of them all, K crops of an image, C classes.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.console import progress
from ..runtime.errors import TrainingError
from .augmentation import augment_batch
from .distributed import Processes
from .inputs import SplitArrays, cut_middles, normalise_grey, to_grey
from .losses import Loss, Targets, pool_crops
from .optimization import Plateau, WeightAverage, make_optimizer, rate_at
from .recipe import Recipe
from .results import Epoch, kept_epoch
from .running_loss import RunningLoss
from .sampling import Batches, share_of
from .training_state import random_state, restore_random_state
from .validation import evaluate, predict_all

if TYPE_CHECKING:
    import torch
    from torch import nn

AfterStep = Callable[["Trainer"], None]
"""Called between two optimizer steps; what it raises ends the training there."""


class Trainer:
    """Trains a network: the network, its optimizer and their progress."""

    def __init__(
        self,
        recipe: Recipe,
        network: "nn.Module",
        *,
        train: SplitArrays,
        val: SplitArrays,
        loss: Loss,
        processes: Processes,
    ) -> None:
        import torch

        self.recipe, self.network, self.processes = recipe, network, processes
        self.train, self.val = train, val
        self.loss = loss.to(processes.device)
        self.batches = Batches(recipe=recipe, labels_NC=train.labels_NC, mask_NC=train.mask_NC)
        self.preprocessing = recipe.preprocessing()
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        network.to(processes.device, memory_format=layout)  # type: ignore[call-overload]
        wrapped = processes.wrap(network, sync_batch_norm=recipe.sync_batch_norm)
        self.model: nn.Module = torch.compile(wrapped) if recipe.compile else wrapped  # type: ignore[assignment]
        self.average = WeightAverage(network, recipe.ema) if recipe.ema else None
        self.optimizer = make_optimizer(network.parameters(), recipe)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=recipe.precision == "fp16")
        self.plateau = Plateau(patience=recipe.schedule_patience)
        self.history: list[Epoch] = []
        self.best_epoch, self.best_weights = 0, dict[str, torch.Tensor]()
        self.epoch, self.batches_done, self.steps, self.elapsed_s = 1, 0, 0, 0.0
        """The epoch under way, from 1; its batches so far; steps of all epochs; seconds of this one."""
        self.losses = RunningLoss(processes, recipe)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return -(-len(self.batches) // self.recipe.accumulate)

    @property
    def finished(self) -> bool:
        """True after the last epoch, or after as many epochs without improvement as the recipe's patience."""
        waited = len(self.history) - self.best_epoch
        out_of_patience = bool(self.history) and 0 < self.recipe.patience <= waited
        return out_of_patience or self.epoch > self.recipe.epochs

    def run_epoch(self, after_step: AfterStep) -> Epoch:
        """Finish the epoch under way."""
        started = time.perf_counter() - self.elapsed_s
        self.model.train()
        order_N = self.batches.order(self.epoch)
        todo = range(self.batches_done, len(self.batches), self.recipe.accumulate)
        rate = 0.0
        if not self.processes.is_main:
            bar = iter(todo)
        else:
            bar = progress(todo, label=f"epoch {self.epoch}/{self.recipe.epochs}", total=len(todo))
        for first in bar:
            rate = self._step(order_N, first)
            self.elapsed_s = time.perf_counter() - started
            after_step(self)
        self.losses.settle()
        train_seconds = time.perf_counter() - started
        quality = evaluate(self._validate(), self.val, self.loss)
        epoch = Epoch(
            epoch=self.epoch,
            seconds=time.perf_counter() - started,
            train_seconds=train_seconds,
            steps=self.steps_per_epoch,
            learning_rate=rate or self.optimizer.param_groups[0]["lr"],
            train_loss=self.losses.mean,
            val_loss=quality.loss,
            val_auc=quality.auc,
            val_accuracy=quality.accuracy,
        )
        self._close(epoch)
        return epoch

    def _close(self, epoch: Epoch) -> None:
        """Note an epoch, keep its weights where the recipe says so, and make ready for the next."""
        if kept_epoch([*self.history, epoch], self.recipe) is epoch:
            weights = self._evaluated.state_dict()
            self.best_weights = {key: tensor.detach().cpu().clone() for key, tensor in weights.items()}
            self.best_epoch = epoch.epoch
        self.history.append(epoch)
        self.plateau.note(epoch.val_loss)
        self.epoch, self.batches_done, self.elapsed_s = self.epoch + 1, 0, 0.0
        self.losses.start_epoch()

    @property
    def _evaluated(self) -> "nn.Module":
        return self.network if self.average is None else self.average.network

    def _step(self, order_N: NDArray[np.intp], first: int) -> float:
        """One optimizer step over the batches from `first` on; returns its learning rate."""
        import torch

        recipe = self.recipe
        group = range(first, min(first + recipe.accumulate, len(self.batches)))
        rate = rate_at(
            recipe,
            step=self.steps,
            steps=self.steps_per_epoch * recipe.epochs,
            epoch=self.epoch - 1,
            drops=self.plateau.drops,
        )
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        for number in group:
            last = number == group[-1]
            with nullcontext() if last or self.processes.world == 1 else self.model.no_sync():  # type: ignore[operator]
                loss = self._loss(self.batches.batch(order_N, number)) / len(group)
                # Gradients are averaged over the processes; each has its share of the sum.
                torch.autograd.backward(self.scaler.scale(loss * self.processes.world))
            self.losses.add(loss.detach())
        if recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.network)
        self.batches_done = group[-1] + 1
        self.steps += 1
        self.losses.close_step(self.epoch, self.steps, rate)
        return rate

    def _loss(self, batch: NDArray[np.intp]) -> "torch.Tensor":
        """This process's part of a batch's mean loss."""
        import torch

        train = self.train
        mine = share_of(batch, self.processes.rank, self.processes.world)

        def on_device(rows_BC: NDArray[Any] | None) -> "torch.Tensor | None":
            if rows_BC is None:
                return None
            return torch.from_numpy(rows_BC.astype(np.float32)).to(self.processes.device)

        labels_BC = on_device(train.labels_NC[mine])
        assert labels_BC is not None
        taught = train.taught_NC
        targets = Targets(
            labels_BC=labels_BC,
            known_BC=on_device(train.mask(mine)),
            taught_BC=None if taught is None else on_device(taught[mine]),
        )
        weight = self.loss.weight(train.labels_NC[batch], train.mask(batch), taught=taught is not None)
        return self.loss.sum(self._train_logits(mine), targets) / weight

    def _train_logits(self, indices_B: NDArray[np.intp]) -> "torch.Tensor":
        """Float32 (B, C) of augmented images."""
        recipe = self.recipe
        grey_V1HW = augment_batch(
            self.train.images_NHW, indices_B, recipe, epoch=self.epoch, device=self.processes.device
        )
        logits_VC = self._logits(self.model, grey_V1HW)
        if recipe.ten_crop == "none":
            return logits_VC
        logits_BKC = logits_VC.view(len(indices_B), -1, logits_VC.shape[-1])
        return pool_crops(logits_BKC, recipe.ten_crop, exclusive=self.loss.exclusive)

    def _logits(self, model: "nn.Module", grey_V1HW: "torch.Tensor") -> "torch.Tensor":
        """Float32 (V, C), computed in the recipe's precision."""
        import torch

        images_VKHW = normalise_grey(grey_V1HW, self.preprocessing)
        kind = torch.float16 if self.recipe.precision == "fp16" else torch.bfloat16
        with torch.autocast(images_VKHW.device.type, kind, enabled=self.recipe.precision != "fp32"):
            logits_VC: torch.Tensor = model(images_VKHW)
        return logits_VC.float()

    def _validate(self) -> NDArray[np.float32]:
        """The logits of the validation split's centre crops."""
        import torch

        network = self._evaluated.eval()
        if not self.recipe.sync_batch_norm:
            # Each process has normalised by its own images; a split is evaluated by one network.
            self.processes.share_statistics(network)

        def predict(indices: NDArray[np.intp]) -> NDArray[np.float32]:
            crops_BHW = cut_middles(self.val.images_NHW, indices, self.recipe)
            with torch.no_grad():
                return self._logits(network, to_grey(crops_BHW, self.processes.device)).cpu().numpy()

        count, classes = self.val.labels_NC.shape
        return predict_all(
            predict, count, classes, batch_size=2 * self.recipe.batch_size, processes=self.processes
        )

    def _check_finite(self) -> None:
        """A step may spoil the weights after its loss was still a number; no state is made of that."""
        floats = [tensor for tensor in self.network.state_dict().values() if tensor.is_floating_point()]
        if self.processes.any(not all(bool(tensor.isfinite().all()) for tensor in floats)):
            raise TrainingError(
                f"weights stopped being numbers in epoch {self.epoch}, by step {self.steps}; "
                f"try a lower learning rate than {self.recipe.learning_rate:g}"
            )

    def state(self) -> dict[str, Any]:
        """All that `restore` needs; every process has to ask, and the first one's answer is whole.

        Raises:
            TrainingError: a loss or a weight is not a number.
        """
        self.losses.settle()
        self._check_finite()
        average = self.average
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if average is None else average.network.state_dict(),
            "average_steps": 0 if average is None else average.steps,
            "plateau": self.plateau.state(),
            "random": self.processes.gather(random_state(self.processes.device)),
            "history": [asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "epoch": self.epoch,
            "batches_done": self.batches_done,
            "steps": self.steps,
            "elapsed_s": self.elapsed_s,
            "losses": self.losses.epoch_losses,
        }

    def restore(self, state: dict[str, Any], best: "dict[str, torch.Tensor]") -> None:
        """Go on from a `state`, exactly where it was taken."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
            self.average.steps = state["average_steps"]
        self.plateau.restore(state["plateau"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.best_epoch, self.best_weights = state["best_epoch"], best
        self.epoch, self.batches_done = state["epoch"], state["batches_done"]
        self.steps, self.elapsed_s = state["steps"], state["elapsed_s"]
        self.losses.epoch_losses = list(state["losses"])
        restore_random_state(state["random"], self.processes)
