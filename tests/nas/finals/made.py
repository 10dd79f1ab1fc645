"""A small data source, a small space and a search's rows, to finish in seconds."""

from pathlib import Path

import numpy as np

from xopt.datasets import Dataset, open_source
from xopt.models.macro import Skeleton
from xopt.nas.macro import MacroSpace
from xopt.nas.search.candidates import Candidate, State
from xopt.train.recipe import Recipe, load_recipe

SIDE = 16
SPACE = MacroSpace(
    skeleton=Skeleton(stem=8, depths=(1, 1), widths=(16, 24), head=32), classes=1, channels=1, size=SIDE
)


def made_data(folder: Path) -> Dataset:
    """Noise, in half of the images with a bright square: 96 to train on, 64 val, 64 test."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 96), ("val", 64), ("test", 64)):
        labels = np.arange(count) % 2
        images = random.integers(0, 120, (count, SIDE, SIDE))
        images[labels == 1, 4:12, 4:12] += random.integers(0, 60, (count // 2, 1, 1))
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels[:, np.newaxis]}
    np.savez(folder / "squares.npz", **arrays)
    return open_source(folder / "squares.npz")


def made_recipe() -> Recipe:
    """Two quick epochs."""
    words = ("size=16", "crop=16", "channels=1", "mean=[0.5]", "std=[0.25]", "epochs=2", "batch_size=32")
    return load_recipe("phantoms", [*words, "mirror=false", "random_crop=false", "learning_rate=1e-2"])


def row(number: int, code: str, value: float | None, **facts) -> Candidate:
    """A row of a search."""
    cost = SPACE.cost(code)
    state = State.DONE if value is not None else State.FAILED
    known = {"state": state, "parameters": cost.parameters, "macs": cost.macs, "seconds": 3.0, **facts}
    return Candidate(number=number, code=code, value=value, **known)


def made_rows() -> list[Candidate]:
    """Five candidates: the largest network did best, one failed, one was stopped early."""
    return [
        row(1, "00", 0.70),
        row(2, "22", 0.90),
        row(3, "11", None, reason="out of memory"),
        row(4, "10", 0.80),
        row(5, "20", 0.95, state=State.STOPPED),
    ]
