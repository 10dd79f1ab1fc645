"""A folder per class: `train/NORMAL/*.jpeg`, `train/PNEUMONIA/*.jpeg`, `test/NORMAL/*.jpeg`, ...

Without folders for splits (`NORMAL/`, `PNEUMONIA/`) everything is one split, `all`. Of two classes, one of
which is called normal (or the like), the other one is what is looked for: a binary task. Any others exclude
each other: a multi-class task.

Shape suffixes: N images, C classes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..runtime.errors import DataError
from ..runtime.images.image import SUFFIXES
from .label_files import check_name
from .lists import usual_order
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split, patient_of

NEGATIVE = ("normal", "negative", "healthy", "no finding", "no_finding", "control", "absent")
"""What the class without a finding is called, in small letters."""
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Folders that are splits, in small letters."""


def recognises(path: Path) -> bool:
    """True if `path` is a folder whose splits, or which itself, has two or more folders with images."""
    return any(len(classes) > 1 for classes in _layout(path, first=True).values())


def read(path: Path, _options: ReadOptions = DEFAULTS) -> Dataset:
    """List the images of every class.

    Raises:
        DataError: there are not at least two classes with images.
    """
    layout = _layout(path)
    names = tuple(sorted({name for classes in layout.values() for name in classes}))
    if len(names) < 2:
        raise DataError(
            f"{path} must hold a folder of images for each of two or more classes, found: {names}"
        )
    normal = [name for name in names if name.lower() in NEGATIVE]
    positive = [name for name in names if name not in normal]
    binary = len(names) == 2 and len(normal) == 1
    classes = tuple(positive) if binary else names
    return Dataset(
        name=path.resolve().name,
        root=path,
        classes=classes,
        splits={name: _split(path, name, layout[name], classes) for name in usual_order(layout)},
        exclusive=not binary,
    )


def _layout(path: Path, *, first: bool = False) -> dict[str, dict[str, list[str]]]:
    """Names of images below `path`, by split and class; just the `first` of each class."""
    if not path.is_dir():
        return {}
    splits = [folder for folder in _folders(path) if folder.name.lower() in SPLITS]
    if not splits:
        found = {"all": _classes(path, path, first=first)}
    else:
        found = {}
        for folder in splits:
            part = found.setdefault(SPLITS[folder.name.lower()], {})
            for name, images in _classes(folder, path, first=first).items():
                part.setdefault(name, []).extend(images)
    return {name: classes for name, classes in found.items() if classes}


def _classes(folder: Path, root: Path, *, first: bool) -> dict[str, list[str]]:
    listed = {inner.name: _images(inner, root, first=first) for inner in _folders(folder)}
    return {name: images for name, images in listed.items() if images}


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path, root: Path, *, first: bool) -> list[str]:
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                found.append((Path(place) / file).relative_to(root).as_posix())
                if first:
                    return found
    return found


def _split(root: Path, name: str, members: Mapping[str, list[str]], classes: tuple[str, ...]) -> Split:
    pairs = [(image, label) for label, images in members.items() for image in images]
    images = tuple(image for image, _label in pairs)
    for image in images:
        check_name(image, str(root))
    of = np.array([label for _image, label in pairs])
    return Split(
        name=name,
        images=images,
        labels_NC=np.stack([of == label for label in classes], axis=1).astype(np.uint8),
        patients=tuple(map(patient_of, images)),
        folders=(root,),
    )
