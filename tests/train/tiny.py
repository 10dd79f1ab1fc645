"""The smallest training that goes through everything, for tests of what happens around it."""

import itertools
import os
import socket
from contextlib import suppress
from pathlib import Path

import numpy as np

from xopt.train.recipe import Recipe

TINY = Recipe(
    architecture="macro-1-stem4-depths1-widths8-head8",
    epochs=4,
    learning_rate=1e-2,
    size=12,
    crop=10,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    batch_size=8,
)


_ports = itertools.count(20_000 + 37 * os.getpid() % 10_000)


def free_port() -> int:
    """A port that nobody uses, below those that the kernel gives away: it is still free when it is used."""
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


class Halt(Exception):  # noqa: N818
    """Ends a training from outside, as a crash would."""


def halting(epoch: int):
    """Reports until `epoch`, then crashes."""

    def report(done):
        if done.epoch == epoch:
            raise Halt

    return report


def write_data(folder: Path, *, train: int = 40, val: int = 16, values: int = 2, classes: int = 1) -> Path:
    """Images of 12 x 12 pixels; the brighter one is, the higher is the label of its first column.

    Args:
        folder: gets data.npz.
        train: images of this split.
        val: images of this split.
        values: how many a label has; three or more make classes that exclude each other.
        classes: columns of labels.
    """
    numbers = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", train), ("val", val)):
        labels_NC = numbers.integers(0, values, size=(count, classes))
        noise_NHW = numbers.integers(0, 140, size=(count, 12, 12))
        images_NHW = noise_NHW + 40 * labels_NC[:, :1, None]
        arrays |= {
            f"{split}_images": images_NHW.astype(np.uint8),
            f"{split}_labels": labels_NC.astype(np.uint8),
        }
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"
