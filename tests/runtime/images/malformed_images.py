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


def raw_zeros(count: int) -> bytes:
    """`count` zero bytes, whole megabytes of them, as a bare deflate stream: one block many times over."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = stream.compress(b"\0" * (1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)
    return block * (count >> 20) + stream.flush()


def zeros(count: int) -> bytes:
    """As `raw_zeros`, with the header and checksum (of zeros: RFC 1950) that zlib wants."""
    return b"\x78\xda" + raw_zeros(count) + struct.pack(">HH", count % 65521, 1)


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    """An EXIF block of one little-endian directory: tag, type, count, value."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0" * 4
