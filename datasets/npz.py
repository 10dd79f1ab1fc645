"""The MedMNIST layout: one `.npz` with `train_images`, `train_labels`, `val_images`, ... in it.

Images are uint8 (N, H, W), or (N, H, W, 3) in colour; labels are (N, 1) or (N, C). One column of 0 and 1 is
a single class, one column with higher numbers says which one class an image is of, several columns of 0
and 1 are findings that exclude nothing. Names of the classes stand in `<name>.classes.txt` beside the file,
one a line; without it a file called `pneumonia...` or `chestmnist...` is known, and any other one has
`positive`, or `class 0`, `class 1`, ...

Layout: Yang et al., MedMNIST v2, Scientific Data 10 (2023) 41. Shape suffixes: N images, C classes.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from . import lists
from .array_images import Stored
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split

MOST_CLASSES = 1000
"""More than these in one column are taken for something else than labels."""

_IMAGES, _LABELS = "_images", "_labels"
_DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError)
# ITU-R 601-2 in 16-bit fixed point, the weights with which Pillow makes grey of colour.
_RED, _GREEN, _BLUE, _HALF = 19595, 38470, 7471, 1 << 15


def recognises(path: Path) -> bool:
    """True if `path` is a file that ends in .npz."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read(path: Path, _options: ReadOptions = DEFAULTS) -> Dataset:
    """Read the labels of every split in the file, and look at the shapes of its images.

    Raises:
        DataError: the file is damaged, or its arrays are not laid out like this; what was found is named.
    """
    shapes = _shapes(path)
    names = [key.removesuffix(_IMAGES) for key in shapes if key.endswith(_IMAGES) and key != _IMAGES]
    names = [name for name in names if name + _LABELS in shapes]
    if not names:
        raise DataError(
            f"{path} holds no train_images with train_labels (or another split's); "
            f"found: {', '.join(shapes) or 'nothing'}"
        )
    labels = {name: _labels(path, name, shapes) for name in lists.usual_order(names)}
    widths = {columns.shape[1] for columns in labels.values()}
    if len(widths) > 1:
        raise DataError(f"{path}: every split must have the same number of label columns, found {widths}")
    exclusive = widths == {1} and max(int(columns.max()) for columns in labels.values()) > 1
    count = max(int(columns.max()) for columns in labels.values()) + 1 if exclusive else widths.pop()
    return Dataset(
        name=path.resolve().stem,
        root=path,
        classes=_class_names(path, count, exclusive=exclusive),
        splits={
            name: _split(path, name, _as_columns(columns, count, exclusive=exclusive))
            for name, columns in labels.items()
        },
        exclusive=exclusive,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class NpzImages:
    """The images of one split, unpacked when they are first used."""

    path: Path
    key: str
    """The array's name in the file."""

    def open(self) -> NDArray[np.uint8]:
        """Uint8 (N, H, W); colour weighed to grey.

        Raises:
            DataError: the file is gone or damaged.
        """
        return self._opened

    @cached_property
    def _opened(self) -> NDArray[np.uint8]:
        images = _array(self.path, self.key)
        return images if images.ndim == 3 else _grey(images)

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads the file itself.
        return {"path": self.path, "key": self.key}


def _shapes(path: Path) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array, from their headers alone."""
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    read_header = {
                        (1, 0): np.lib.format.read_array_header_1_0,
                        (2, 0): np.lib.format.read_array_header_2_0,
                    }[version]
                    shape, _order, kind = read_header(file)
                    found[member.removesuffix(".npy")] = (shape, kind)
    except (*_DAMAGED, NotImplementedError, RuntimeError) as error:
        raise DataError(f"cannot read {path} as an .npz file: {error}; check the file") from error
    return found


def _array(path: Path, key: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[key]
    except _DAMAGED as error:
        raise DataError(f"cannot read {key} of {path}: {error}; check the file") from error
    return array


def _labels(
    path: Path, name: str, shapes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
) -> NDArray[np.int64]:
    """A split's labels as they stand, (N, columns), with the shapes of its arrays checked."""
    images, kind = shapes[name + _IMAGES]
    colour = len(images) == 4 and images[3] == 3
    if kind != np.uint8 or not (len(images) == 3 or colour) or 0 in images:
        raise DataError(
            f"{path}: {name}{_IMAGES} must be uint8 (N, H, W), or (N, H, W, 3), found {kind} {images}"
        )
    shape, kind = shapes[name + _LABELS]
    if kind.kind not in "biu" or len(shape) not in (1, 2) or 0 in shape or shape[0] != images[0]:
        raise DataError(
            f"{path}: {name}{_LABELS} must be whole numbers, ({images[0]}, 1) or ({images[0]}, C), "
            f"found {kind} {shape}"
        )
    labels: NDArray[np.int64] = _array(path, name + _LABELS).astype(np.int64).reshape(shape[0], -1)
    highest = MOST_CLASSES - 1 if labels.shape[1] == 1 else 1
    if labels.min() < 0 or labels.max() > highest:
        raise DataError(
            f"{path}: {name}{_LABELS} must be in 0..{highest} with {labels.shape[1]} columns, "
            f"found {labels.min()}..{labels.max()}"
        )
    return labels


def _as_columns(labels: NDArray[np.int64], count: int, *, exclusive: bool) -> NDArray[np.uint8]:
    """0 or 1 for every class, uint8 (N, C)."""
    if not exclusive:
        return labels.astype(np.uint8)
    chosen_NC: NDArray[np.bool_] = labels == np.arange(count)
    return chosen_NC.astype(np.uint8)


def _class_names(path: Path, count: int, *, exclusive: bool) -> tuple[str, ...]:
    file = path.with_name(f"{path.stem}.classes.txt")
    if file.exists():
        names = lists.read_class_names(file)
        if len(names) != count:
            raise DataError(f"{file} names {len(names)} classes, the labels of {path.name} have {count}")
        return names
    stem = path.stem.lower()
    if count == 1:
        return ("pneumonia",) if stem.startswith("pneumonia") else ("positive",)
    if stem.startswith("chestmnist") and count == len(lists.FINDINGS) and not exclusive:
        return lists.FINDINGS
    return tuple(f"class {number}" for number in range(count))


def _split(path: Path, name: str, labels_NC: NDArray[np.uint8]) -> Split:
    count = len(labels_NC)
    images = tuple(f"{name}{index:06d}" for index in range(count))
    return Split(
        name=name,
        images=images,
        labels_NC=labels_NC,
        patients=images,
        folders=(),
        stored=Stored(pixels=NpzImages(path=path, key=name + _IMAGES), rows_N=np.arange(count)),
    )


def _grey(images_NHW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    red, green, blue = (images_NHW3[..., channel].astype(np.uint32) for channel in range(3))
    weighed = (red * _RED + green * _GREEN + blue * _BLUE + _HALF) >> 16
    return np.asarray(weighed, dtype=np.uint8)
