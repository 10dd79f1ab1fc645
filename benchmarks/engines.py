"""Engines: whatever turns a resized grey image into probabilities, behind one verb.

Every clock of a benchmark starts at the same decoded, resized image, so an engine's `infer` holds all that
follows: cropping, normalising, the network, the mean over crops.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..runtime.images.image import prepare
from ..runtime.images.preprocessing import Preprocessing


class Engine(ABC):
    """A loaded network, ready to answer."""

    classes: tuple[str, ...]
    """Name per output."""
    preprocessing: Preprocessing
    size_mb: float
    """What a device has to store, in 1e6 bytes."""

    @abstractmethod
    def infer(self, image_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 (C,) of a resized image, uint8 (size, size)."""

    @abstractmethod
    def macs(self) -> int:
        """Multiply-accumulates of one image in convolutions and matrix products, all crops together."""

    def infer_files(
        self, files: Sequence[str | NDArray[np.uint8]], streams: int | None = None
    ) -> NDArray[np.float32]:
        """Probabilities float32 (N, C) of image files: decoding, resizing, and all of `infer`.

        Images of a source without files come as uint8 (H, W), and only resizing is left to do. One after
        the other, unless an engine knows a faster way.

        Args:
            files: N of them.
            streams: images at once, for an engine that streams; None leaves it to the engine.

        Raises:
            InputError: a file cannot be decoded.
        """
        return np.stack([self.infer(prepare(file, self.preprocessing).image_HW) for file in files])

    def describe(self) -> tuple[tuple[str, ...], Preprocessing, float]:
        """Classes, preprocessing and size in MB, for the process that compares."""
        return self.classes, self.preprocessing, self.size_mb


class Variant(Protocol):
    """A row of a benchmark: how to open one engine, in plain values that travel to another process."""

    @property
    def name(self) -> str:
        """The row's name in tables and plots."""
        ...

    @property
    def engine(self) -> str:
        """torch, onnxruntime or openvino."""
        ...

    @property
    def precision(self) -> str:
        """FP32, BF16 or INT8."""
        ...

    @property
    def crops(self) -> str:
        """The crop plan."""
        ...

    def open(self) -> Engine:
        """Load the network; called in the process that will run it."""
        ...
