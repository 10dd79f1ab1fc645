"""How fast a data source feeds training: image files decoded each epoch, against a prepared cache.

    python -m tools.data_loading nih-mini --size 256

An epoch is every image of a split once, in random order, copied together in batches as a training step
takes them. The ways take turns, round by round, so that each has its share of the machine's moods.
"""

import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from xopt.datasets import Split, load_images, open_source, prepare
from xopt.runtime.backends.base import usable_cores
from xopt.runtime.console import table
from xopt.runtime.images.image import prepare as prepare_image
from xopt.runtime.images.preprocessing import Preprocessing

ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """One way to feed an epoch."""

    name: str
    images_per_second: tuple[float, ...]
    """One a round."""

    @property
    def median(self) -> float:
        return float(np.median(self.images_per_second))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"images_per_second": self.median, "rounds": list(self.images_per_second)}


def measure(source: Path, *, split: str, size: int, batch: int, rounds: int = ROUNDS) -> list[Feeding]:
    """Feed epochs in every way, in turn.

    Args:
        source: labelled images in files.
        split: the part that is fed.
        size: side of the images, in pixels.
        batch: images of a step.
        rounds: epochs of each way.

    Raises:
        DataError: the source has no such split, or lacks images.
    """
    files = open_source(source).split(split)
    preprocessing = Preprocessing.square(size, size)
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(usable_cores()) as pool:
        cache = Path(place) / "cache"
        prepare(open_source(source), cache, size=size)
        images_NHW = load_images(open_source(cache).split(split), preprocessing)

        def decode(rows_B: NDArray[np.intp]) -> NDArray[np.uint8]:
            return np.stack(list(pool.map(lambda row: _decode(files, int(row), preprocessing), rows_B)))

        ways: dict[str, Callable[[NDArray[np.intp]], NDArray[np.uint8]]] = {
            "files, one thread": lambda rows_B: np.stack(
                [_decode(files, int(row), preprocessing) for row in rows_B]
            ),
            f"files, {usable_cores()} threads": decode,
            "cache": lambda rows_B: images_NHW[rows_B],
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            order = np.random.default_rng(number).permutation(len(files))
            for name, take in ways.items():
                start = time.perf_counter()
                # The sum reads every byte: a memory map that nobody looks at costs nothing.
                for first in range(0, len(order), batch):
                    take(order[first : first + batch]).sum()
                rates[name].append(len(order) / (time.perf_counter() - start))
    return [Feeding(name=name, images_per_second=tuple(values)) for name, values in rates.items()]


def _decode(split: Split, row: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    return prepare_image(split.source(row), preprocessing).image_HW


def main(
    source: Annotated[Path, typer.Argument(help="Labelled images in files.", metavar="SOURCE")],
    split: Annotated[str, typer.Option("--split", help="The part that is fed.")] = "train",
    size: Annotated[int, typer.Option("--size", help="Side of the images, in pixels.")] = 256,
    batch: Annotated[int, typer.Option("--batch", help="Images of a step.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """Measure how fast a data source feeds training."""
    feedings = measure(source, split=split, size=size, batch=batch)
    if as_json:
        print(json.dumps({feeding.name: feeding.to_json() for feeding in feedings}, indent=2))
        return
    first = feedings[0].median
    rows = [
        [f.name, f"{f.median:.0f}", f"{min(f.images_per_second):.0f}", f"{f.median / first:.1f} x"]
        for f in feedings
    ]
    print(table(["", "images/s", "slowest round", "against one thread"], rows))


if __name__ == "__main__":
    typer.run(main)
