"""The training loop: multi-label, on accelerate, the same weights for the same seed.

One process today; every step already goes through accelerate, so that a launcher can share it out.
Shape suffixes: B images of a batch, N of a split, C classes.
"""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..benchmarks.metrics import mean_auc
from ..datasets import Dataset, Split, load_images
from ..runtime.console import progress
from ..runtime.errors import XoptError
from ..runtime.requires import need
from .inputs import Examples, normalise
from .models import build, check_architecture
from .optimization import make_loss, make_optimizer, make_schedule
from .recipe import Recipe
from .results import Epoch, Trained

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.utils.data import Dataset as TorchDataset


def train(dataset: Dataset, recipe: Recipe, *, report: Callable[[Epoch], None] | None = None) -> Trained:
    """Train a network on a dataset's `train` split, choosing the epoch that does best on its `val` split.

    Args:
        dataset: has the splits train and val, and their images.
        recipe: all settings.
        report: called after each epoch.

    Raises:
        DataError: a split or an image is absent.
        XoptError: the loss stopped being a number.
        InputError: an image cannot be decoded.
        UsageError: the recipe names an architecture that is not known.
        DependencyError: a library is not installed.
    """
    check_architecture(recipe.architecture)
    need("accelerate", "sklearn", "torch", "torchvision", extra="train")
    import torch

    train_split, val_split = dataset.split("train"), dataset.split("val")
    examples = _read(train_split, recipe)
    val_examples = _read(val_split, recipe)
    # Weights come from torch's own global generator; the caller's is given back as it was.
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = build(recipe.architecture, len(dataset.classes), recipe.channels)
        history = _Fit(recipe, network, examples, val_examples).run(report)
    return Trained(
        recipe=recipe,
        classes=dataset.classes,
        network=network,
        history=history,
        notes={
            "data": dataset.name,
            "train_images": len(train_split),
            "train_digest": train_split.digest,
            "val_images": len(val_split),
            "val_digest": val_split.digest,
        },
    )


def _read(split: Split, recipe: Recipe) -> Examples:
    return Examples(load_images(split, recipe.preprocessing()), split.labels_NC, recipe)


def _as_torch(examples: Examples) -> "TorchDataset[Any]":
    # torch asks for no more than what Examples has; deriving from its class would import torch.
    return cast("TorchDataset[Any]", examples)


class _Fit:
    """One training under way."""

    def __init__(
        self, recipe: Recipe, network: "nn.Module", examples: Examples, val_examples: Examples
    ) -> None:
        import torch
        from accelerate import Accelerator
        from torch.utils.data import DataLoader

        self.recipe = recipe
        self.preprocessing = recipe.preprocessing()
        self.network = network
        self.examples = examples
        # accelerate's own precision holds for the whole process, so that no second training could differ.
        self.accelerator = Accelerator(mixed_precision="no")
        # A last batch of one image would have no variance to normalise by.
        rest = len(examples) >= recipe.batch_size
        loader = DataLoader(_as_torch(examples), batch_size=recipe.batch_size, shuffle=True, drop_last=rest)
        val_loader = DataLoader(_as_torch(val_examples), batch_size=2 * recipe.batch_size)
        optimizer = make_optimizer(network, recipe)
        schedule = make_schedule(optimizer, recipe, steps=len(loader) * recipe.epochs)
        # Convolutions are faster with channels last, on CPUs as on GPUs; the numbers stay what they are.
        network.to(memory_format=torch.channels_last)
        prepared = self.accelerator.prepare(network, optimizer, loader, val_loader, schedule)
        self.model, self.optimizer, self.loader, self.val_loader, self.schedule = prepared
        self.loss = make_loss(examples.labels_NC, recipe).to(self.accelerator.device)

    def _logits(self, crops_BHW: "torch.Tensor") -> "torch.Tensor":
        """Uint8 (B, H, W) to float32 (B, C), computed in the recipe's precision."""
        import torch

        images_BKHW = normalise(crops_BHW, self.preprocessing)
        low = self.recipe.precision == "bf16"
        with torch.autocast(images_BKHW.device.type, torch.bfloat16, enabled=low):
            logits_BC: torch.Tensor = self.model(images_BKHW)
        return logits_BC.float()

    def run(self, report: Callable[[Epoch], None] | None) -> tuple[Epoch, ...]:
        """Train all epochs, and leave the network with the weights of the best one."""
        import torch

        history: list[Epoch] = []
        best_weights: dict[str, torch.Tensor] = {}
        for number in range(1, self.recipe.epochs + 1):
            started = time.perf_counter()
            train_loss = self._train(number)
            val_loss, val_auc = self._validate()
            epoch = Epoch(
                epoch=number,
                seconds=time.perf_counter() - started,
                train_loss=train_loss,
                val_loss=val_loss,
                val_auc=val_auc,
            )
            if not history or epoch.merit > max(past.merit for past in history):
                weights = self.accelerator.unwrap_model(self.model).state_dict()
                best_weights = {key: tensor.detach().cpu().clone() for key, tensor in weights.items()}
            history.append(epoch)
            if report is not None:
                report(epoch)
        self.network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.network.load_state_dict(best_weights)
        self.network.eval()
        return tuple(history)

    def _train(self, number: int) -> float:
        """One pass over the training split; returns the mean loss."""
        self.model.train()
        self.examples.epoch = number
        losses: list[float] = []
        label = f"epoch {number}/{self.recipe.epochs}"
        for crops_BHW, labels_BC in progress(self.loader, label=label, total=len(self.loader)):
            loss = self.loss(self._logits(crops_BHW), labels_BC)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise XoptError(
                    f"the training loss became {losses[-1]} in epoch {number}, step {len(losses)}; "
                    f"try a lower learning rate than {self.recipe.learning_rate:g}"
                )
            self.accelerator.backward(loss)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
        return sum(losses) / len(losses)

    def _validate(self) -> tuple[float, float | None]:
        """Loss and mean AUC on the validation split's centre crops."""
        import torch

        self.model.eval()
        logits, labels = [], []
        with torch.no_grad():
            for crops_BHW, labels_BC in self.val_loader:
                both = self.accelerator.gather_for_metrics((self._logits(crops_BHW), labels_BC))
                logits.append(both[0])
                labels.append(both[1])
        logits_NC, labels_NC = torch.cat(logits), torch.cat(labels)
        loss = self.loss(logits_NC, labels_NC).item()
        if not math.isfinite(loss):
            raise XoptError(
                f"the validation loss became {loss}; "
                f"try a lower learning rate than {self.recipe.learning_rate:g}"
            )
        return loss, mean_auc(
            labels_NC.cpu().numpy().astype(np.uint8), logits_NC.cpu().numpy().astype(np.float64)
        )
