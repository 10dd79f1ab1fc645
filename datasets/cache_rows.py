"""The rows of a cache to be: which files they are made of, and how a worker makes them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError
from .records import Dataset, Split

Batch = tuple[Sequence["Wanted"], NDArray[np.uint8], int]
"""Rows, the digests they had before (B, 32), and the size in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """A row of a cache that a worker makes."""

    row: int
    place: str
    """Split and name, for messages."""
    source: Path | NDArray[np.uint8]
    stamp: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """The result of a worker for one row."""

    row: int
    stamp: tuple[int, int]
    digest: bytes
    image_HW: NDArray[np.uint8] | None = None
    """None where the bytes are those that the row was made from before."""
    reason: str | None = None
    """Why the image cannot be decoded."""


def list_wanted(dataset: Dataset) -> Iterator[Wanted]:
    """The rows of a dataset, split by split.

    Raises:
        DataError: an image is absent.
    """
    row = 0
    for split in dataset.splits.values():
        stamp = _stored_stamp(split)
        for index, image in enumerate(split.images):
            source = split.source(index)
            place = f"{split.name}: {image}"
            # An absolute path means the same to workers that were started elsewhere.
            source = source.absolute() if isinstance(source, Path) else source
            own = _stamp(source) if isinstance(source, Path) else stamp
            yield Wanted(row=row, place=place, source=source, stamp=own)
            row += 1


def _stored_stamp(split: Split) -> tuple[int, int]:
    path = None if split.stored is None else getattr(split.stored.pixels, "path", None)
    return (-1, -1) if path is None else _stamp(path)


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def decode_batch(batch: tuple[Sequence[Wanted], NDArray[np.uint8], int]) -> list[Made]:
    """Read, hash, decode and resize, in a worker."""
    wanted, digests_B32, size = batch
    return [_decode(w, known.tobytes(), size) for w, known in zip(wanted, digests_B32, strict=True)]


def _decode(wanted: Wanted, known: bytes, size: int) -> Made:
    from ..runtime.files import read_regular
    from ..runtime.images import image
    from ..runtime.images.decoded import MAX_FILE_BYTES
    from ..runtime.images.preprocessing import Preprocessing

    source = wanted.source
    try:
        content = read_regular(source.resolve(), limit=MAX_FILE_BYTES) if isinstance(source, Path) else source
    except OSError as error:
        return _failed(wanted, f"cannot be read: {error.strerror or error}")
    digest = hashlib.sha256(content if isinstance(content, bytes) else content.tobytes()).digest()
    if digest == known:
        return Made(row=wanted.row, stamp=wanted.stamp, digest=digest)
    try:
        image_HW = image.prepare(content, Preprocessing.square(size, size)).image_HW
    except InputError as error:
        return _failed(wanted, str(error).removeprefix("image bytes "))
    return Made(row=wanted.row, stamp=wanted.stamp, digest=digest, image_HW=image_HW)


def _failed(wanted: Wanted, reason: str) -> Made:
    return Made(row=wanted.row, stamp=wanted.stamp, digest=bytes(32), reason=f"{wanted.place} {reason}")
