"""A prepared cache: every image of a source decoded, resized and memory-mapped, a data source itself.

    CACHE/prepared.json       what is valid: the name of the one version that counts
    CACHE/<version>/images.npy   uint8 (M, size, size)
    CACHE/<version>/index.npz    labels, and of which bytes each row was made
    CACHE/<version>/names.json   classes, names and patients

`prepared.json` is replaced in one step when a version is complete, so a reader sees the old version or the
new one and never a part of either. Shape suffixes: M rows, N images of a split, C classes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from ..runtime.schema import SchemaError, from_json
from .array_images import Stored
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split

MARKER = "prepared.json"
IMAGES, INDEX, NAMES = "images.npy", "index.npz", "names.json"
SCHEMA = 1

_REMEDY = "prepare it again with --force"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError)


@dataclass(frozen=True, kw_only=True)
class Marker:
    """The content of prepared.json."""

    schema: int = SCHEMA
    version: str
    """Name of the folder that counts."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The content of names.json."""

    size: int
    """Side of the images, in pixels."""
    name: str
    """Of the dataset it was made from."""
    classes: tuple[str, ...]
    exclusive: bool
    splits: tuple[str, ...]
    """The splits in their order."""
    split_of: tuple[str, ...]
    """M split names, one a row."""
    images: tuple[str, ...]
    patients: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Index(Names):
    """The index of a cache: names, labels and origin of each row."""

    marked_MC: NDArray[np.int8]
    """Labels 0, 1, or -1 where one is to be left out."""
    skipped_M: NDArray[np.bool_]
    """Rows without pixels, since their image could not be decoded."""
    stamps_M2: NDArray[np.int64]
    """Size in bytes and time of change (ns) of the file each row was made from."""
    digests_M32: NDArray[np.uint8]
    """SHA-256 of the bytes each row was made from."""

    def write(self, folder: Path) -> None:
        """Write the index beside the images."""
        names = {field.name: getattr(self, field.name) for field in fields(Names)}
        (folder / NAMES).write_text(json.dumps(names), encoding="utf-8")
        np.savez(
            folder / INDEX,
            marked_MC=self.marked_MC,
            skipped_M=self.skipped_M,
            stamps_M2=self.stamps_M2,
            digests_M32=self.digests_M32,
        )

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Read the index of one version.

        Raises:
            DataError: it is damaged.
        """
        try:
            names = from_json(Names, (folder / NAMES).read_bytes())
            with np.load(folder / INDEX, allow_pickle=False) as arrays:
                return cls(**vars(names), **arrays)
        except _DAMAGED as error:
            raise DataError(f"the cache in {folder} is damaged ({error}); {_REMEDY}") from error

    def same_labels(self, other: "Index") -> bool:
        """True if another index says the same of the same images, whatever files they were made from."""
        same = all(getattr(self, field.name) == getattr(other, field.name) for field in fields(Names))
        return same and np.array_equal(self.marked_MC, other.marked_MC)


@dataclass(frozen=True, kw_only=True, eq=False)
class CachedImages:
    """The images of one version, memory-mapped."""

    path: Path
    count: int
    """Rows there must be."""
    size: int

    def open(self) -> NDArray[np.uint8]:
        """Uint8 (M, size, size); what is written to it stays in this process.

        Raises:
            DataError: the file is gone, or not as large as it was.
        """
        return self._opened

    @cached_property
    def _opened(self) -> NDArray[np.uint8]:
        try:
            # Copy on write: torch warns of arrays that cannot be written.
            images_MHW: NDArray[np.uint8] = np.load(self.path, mmap_mode="c", allow_pickle=False)
        except _DAMAGED as error:
            raise DataError(f"cannot read {self.path}: {error}; {_REMEDY}") from error
        wanted = (self.count, self.size, self.size)
        if images_MHW.shape != wanted or images_MHW.dtype != np.uint8:
            raise DataError(f"{self.path} holds {images_MHW.shape}, wanted {wanted}; {_REMEDY}")
        return images_MHW

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the file itself.
        return {"path": self.path, "count": self.count, "size": self.size}


def recognises(path: Path) -> bool:
    """True if `path` is a prepared cache."""
    return (path / MARKER).is_file()


def current_version(path: Path) -> Path:
    """The folder of the version that counts.

    Raises:
        DataError: the cache's marker is damaged, or from a newer xopt.
    """
    try:
        marker = from_json(Marker, (path / MARKER).read_bytes())
    except (OSError, SchemaError) as error:
        raise DataError(f"{path / MARKER} is damaged ({error}); {_REMEDY}") from error
    if marker.schema != SCHEMA or Path(marker.version).name != marker.version:
        raise DataError(f"{path} is a cache of schema {marker.schema}, this xopt reads {SCHEMA}; {_REMEDY}")
    return path / marker.version


def read(path: Path, _options: ReadOptions = DEFAULTS) -> Dataset:
    """Open a cache as the dataset it was made from; uncertain labels were settled when it was made.

    Raises:
        DataError: there is no cache, or it is damaged.
    """
    if not recognises(path):
        raise DataError(f"no {MARKER} in {path}; make a cache with: xopt data prepare SOURCE --out {path}")
    folder = current_version(path)
    index = Index.read(folder)
    pixels = CachedImages(path=folder / IMAGES, count=len(index.images), size=index.size)
    return Dataset(
        name=index.name,
        root=path,
        classes=index.classes,
        splits={name: _split(name, index, pixels) for name in index.splits},
        exclusive=index.exclusive,
    )


def _split(name: str, index: Index, pixels: CachedImages) -> Split:
    rows_N = np.flatnonzero((np.array(index.split_of) == name) & ~index.skipped_M)
    marked_NC = index.marked_MC[rows_N]
    return Split(
        name=name,
        images=_pick(index.images, rows_N),
        labels_NC=(marked_NC == 1).astype(np.uint8),
        patients=_pick(index.patients, rows_N),
        folders=(),
        stored=Stored(pixels=pixels, rows_N=rows_N),
        mask_NC=marked_NC >= 0 if (marked_NC < 0).any() else None,
    )


def _pick(names: Sequence[str], rows_N: NDArray[np.intp]) -> tuple[str, ...]:
    return tuple(names[row] for row in rows_N.tolist())
