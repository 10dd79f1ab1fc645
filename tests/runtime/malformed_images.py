"""A corpus of damaged and hostile images: one small function a kind, found by name in `KINDS`.

Each gives the file's bytes, and the one right answer beside refusing it: an image, ANY image, or none (None).
"""

import struct
import zlib
from collections.abc import Callable
from typing import Literal

import numpy as np

ANY: Literal["any"] = "any"
Made = tuple[bytes, np.ndarray | Literal["any"] | None]
KINDS: dict[str, Callable[[], Made]] = {}
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
SIDE = 6000
"""Pixels a side of the large images, 36 million in all: just below the cap."""


def kind(make: Callable[[], Made]) -> Callable[[], Made]:
    """Add a kind to the corpus, under its function's name in words."""
    KINDS[make.__name__.replace("_", " ")] = make
    return make


def zeros(count: int) -> bytes:
    """`count` zero bytes, deflated a block at a time."""
    stream = zlib.compressobj(1)
    block = b"\0" * (1 << 20)
    parts = [stream.compress(block) for _ in range(count >> 20)]
    return b"".join(parts) + stream.flush()


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    """An EXIF block of one little-endian directory: tag, type, count, value."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0" * 4
