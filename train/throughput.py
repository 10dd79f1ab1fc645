"""Training throughput: a recipe against a plain reference loop, in turns, in crops a second.

    python -m xopt.train.throughput nih-mini --recipe chexnet-fast

The reference is the usual first version of CheXNet's training, written for this comparison: image files
decoded in the loop by one worker, ten crops of three equal planes, FP32, contiguous tensors, SGD, four images
a step. A crop is one image of 224 x 224 that goes forward and backward; the clock runs over whole steps, with
the feeding of data in them. It stands in train/ because benchmarks/ is the floor below.
"""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ..datasets import Dataset, Split, open_source
from ..runtime.console import progress, table
from ..runtime.errors import UsageError
from ..runtime.requires import need
from .loop import train
from .recipe import Recipe, load_recipe
from .results import Epoch

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

REFERENCE_BATCH, REFERENCE_CROPS = 4, 10
_SIZE, _CROP = 256, 224
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """How fast one way of training is."""

    name: str
    crops_per_second: tuple[float, ...]
    """One a round."""

    @property
    def median(self) -> float:
        return float(np.median(self.crops_per_second))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"name": self.name, "crops_per_second": self.median, "rounds": list(self.crops_per_second)}


def measure(
    dataset: Dataset, recipe: Recipe, *, images: int = 64, rounds: int = 3, device: str = "cpu"
) -> tuple[Throughput, Throughput]:
    """Train some images by the reference loop and by a recipe, in turns.

    Args:
        dataset: has the splits train and val.
        recipe: is measured in its second epoch; the first one warms up.
        images: of the split train, in each round and way; the reference takes a tenth, as it has ten crops.
        rounds: turns of both.
        device: one of train.processes.DEVICES but auto.

    Returns:
        the reference, the recipe.

    Raises:
        UsageError: fewer images than two batches of the recipe.
        DataError, InputError: as `train`.
    """
    need("torch", "torchvision", extra="train")
    if images < 2 * recipe.batch_size:
        raise UsageError(f"{images} images are fewer than two batches of {recipe.batch_size}; take more")
    few = dataset.split("train").spread(images)
    val = dataset.split("val").spread(recipe.batch_size)
    small = replace(dataset, splits={"train": few, "val": val})
    steps = max(2, math.ceil(images / (REFERENCE_BATCH * REFERENCE_CROPS)))
    plain, ours = [], []
    for _ in progress(range(rounds), label="rounds", total=rounds):
        plain.append(_time_reference(few, len(dataset.classes), steps, device))
        ours.append(_time_recipe(small, recipe, device))
    return (
        Throughput(name="reference loop", crops_per_second=tuple(plain)),
        Throughput(name=f"{recipe.architecture}, {recipe.precision}", crops_per_second=tuple(ours)),
    )


def _time_recipe(dataset: Dataset, recipe: Recipe, device: str) -> float:
    epochs: list[Epoch] = []
    train(dataset, replace(recipe, epochs=2), report=epochs.append, device=device)
    crops = REFERENCE_CROPS if recipe.ten_crop != "none" else 1
    timed = epochs[-1]
    # The last batch may be left out, and with it its images.
    seen = min(len(dataset.split("train")), timed.steps * recipe.batch_size)
    return seen * crops / timed.train_seconds


def _time_reference(split: Split, classes: int, steps: int, device: str) -> float:
    """Crops a second over `steps` steps, after one that warms up."""
    from torch import nn, optim
    from torchvision.models import densenet121

    network = densenet121(weights=None, num_classes=classes).to(device).train()
    optimizer = optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    loss_of = nn.BCEWithLogitsLoss()
    started = 0.0
    for step, (crops_BKPHW, labels_BC) in enumerate(_batches(split, steps + 1)):
        if step == 1:
            _wait(device)
            started = time.perf_counter()
        batch, crops = crops_BKPHW.shape[:2]
        logits_MC = network(crops_BKPHW.flatten(0, 1).to(device))
        loss = loss_of(logits_MC.view(batch, crops, -1).mean(1), labels_BC.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    _wait(device)
    return steps * REFERENCE_BATCH * REFERENCE_CROPS / (time.perf_counter() - started)


def _batches(split: Split, count: int) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    """Batches of ten crops, float32 (B, 10, 3, 224, 224), and labels (B, C), decoded by one worker."""
    import torch
    from torchvision import transforms

    cut = transforms.Compose(
        [
            transforms.Resize((_SIZE, _SIZE)),
            transforms.TenCrop(_CROP),
            transforms.Lambda(
                lambda crops: torch.stack(
                    [
                        transforms.functional.normalize(transforms.functional.to_tensor(c), _MEAN, _STD)
                        for c in crops
                    ]
                )
            ),
        ]
    )

    def batch(number: int) -> "tuple[torch.Tensor, torch.Tensor]":
        rows = [(number * REFERENCE_BATCH + place) % len(split) for place in range(REFERENCE_BATCH)]
        labels_BC = torch.from_numpy(split.labels_NC[rows].astype(np.float32))
        return torch.stack([cut(_open(split, row)) for row in rows]), labels_BC

    with ThreadPoolExecutor(max_workers=1) as worker:
        following = worker.submit(batch, 0)
        for number in range(count):
            ready, following = following, worker.submit(batch, number + 1)
            yield ready.result()


def _open(split: Split, row: int) -> "Image":
    from PIL import Image

    source = split.source(row)
    picture = Image.open(source) if isinstance(source, Path) else Image.fromarray(source)
    return picture.convert("RGB")


def _wait(device: str) -> None:
    """Let a GPU finish what it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main(
    data: Annotated[Path, typer.Argument(help="Labelled images with train and val.", metavar="SOURCE")],
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a TOML file.")] = "chexnet-fast",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the recipe.")] = None,
    images: Annotated[int, typer.Option(min=8, help="Images of a round.")] = 64,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    device: Annotated[str, typer.Option(help="cpu, cuda or hpu.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Measure and print."""
    chosen = load_recipe(recipe, settings or ())
    reference, ours = measure(open_source(data), chosen, images=images, rounds=rounds, device=device)
    ratio = ours.median / reference.median
    if as_json:
        facts = {"reference": reference.to_json(), "recipe": ours.to_json(), "ratio": ratio, "device": device}
        print(json.dumps(facts, indent=2))
        return
    rows = [
        [one.name, f"{one.median:.2f}", f"{min(one.crops_per_second):.2f} .. {max(one.crops_per_second):.2f}"]
        for one in (reference, ours)
    ]
    print(table(["", "crops/s", "rounds"], rows))
    print(f"\n{ratio:.2f} x the reference loop; {rounds} rounds of {images} images in turns, on {device}")


if __name__ == "__main__":
    typer.run(main)
