"""Training throughput: a recipe against a plain reference loop, in turns, in crops a second.

    python -m tools.throughput nih-mini --recipe chexnet-fast

The reference is the usual first version of CheXNet's training, kept plain on purpose: image files decoded in
the loop by one worker, ten crops of three equal planes, FP32, contiguous tensors, SGD, four images a step
(system A).

A crop is one image that goes forward and backward, of 224 x 224 pixels in the reference and of the recipe's
sizes in the recipe; at equal network and size a recipe is measured with `--set architecture=densenet121 --set
size=256 --set crop=224 --set "sizes=[]"`. The clock runs over whole steps, with the feeding of data in them.

Shape suffixes: B images of a step, K crops of an image, P planes, C classes, M = B x K.
"""

import json
import math
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from xopt.datasets import Dataset, Split, open_source
from xopt.runtime.console import progress, table
from xopt.runtime.errors import UsageError
from xopt.runtime.images.preprocessing import Preprocessing
from xopt.runtime.requires import need
from xopt.train.loop import train
from xopt.train.recipe import Recipe, load_recipe
from xopt.train.results import Epoch

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

BATCH, CROPS = 4, 10
"""Images in a step of the reference, and crops of each."""
PREPROCESSING = Preprocessing()


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Crops a second of one way of training."""

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
        recipe: is measured in the second epoch of each of its sizes; the first one warms up.
        images: of the split train, in each round and way; the reference takes a tenth, as it has ten crops.
        rounds: turns of both.
        device: one of train.distributed.DEVICES but auto.

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
    steps = max(2, math.ceil(images / (BATCH * CROPS)))
    plain, ours = [], []
    for _ in progress(range(rounds), label="rounds", total=rounds):
        plain.append(_time_reference(few, len(dataset.classes), steps, device))
        ours.append(_time_recipe(small, recipe, device))
    return (
        Throughput(name="reference loop", crops_per_second=tuple(plain)),
        Throughput(name=f"{recipe.architecture}, {recipe.precision}", crops_per_second=tuple(ours)),
    )


def _time_recipe(dataset: Dataset, recipe: Recipe, device: str) -> float:
    """Crops a second over a recipe's whole run, its sizes having equal shares of the epochs."""
    sides = recipe.sizes or (recipe.crop,)
    epochs: list[Epoch] = []
    # Each size warms up in an epoch of its own.
    doubled = tuple(side for side in sides for _ in range(2))
    timed = replace(recipe, epochs=len(doubled), sizes=doubled, patience=0)
    train(dataset, timed, report=epochs.append, device=device)
    crops = CROPS if recipe.ten_crop != "none" else 1
    # The last batch may be left out, and with it its images.
    seen = sum(min(len(dataset.split("train")), epoch.steps * recipe.batch_size) for epoch in epochs[1::2])
    return seen * crops / sum(epoch.train_seconds for epoch in epochs[1::2])


def _time_reference(split: Split, classes: int, steps: int, device: str) -> float:
    """Crops a second over `steps` steps, after one that warms up."""
    loop = ReferenceLoop(split, classes, device)
    loop.step()
    loop.wait()
    started = time.perf_counter()
    for _ in range(steps):
        loop.step()
    loop.wait()
    seconds = time.perf_counter() - started
    loop.close()
    return steps * BATCH * CROPS / seconds


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
        [way.name, f"{way.median:.2f}", f"{min(way.crops_per_second):.2f} .. {max(way.crops_per_second):.2f}"]
        for way in (reference, ours)
    ]
    print(table(["", "crops/s", "rounds"], rows))
    print(f"\n{ratio:.2f} x the reference loop; {rounds} rounds of {images} images in turns, on {device}")


if __name__ == "__main__":
    typer.run(main)
