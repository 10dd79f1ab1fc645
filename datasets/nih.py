"""The NIH release of ChestX-ray14: `Data_Entry_2017*.csv` with `train_val_list.txt` and `test_list.txt`.

The official lists are kept; val is carved out of train_val by patient: one patient in eight, chosen by the
digest of the patient's number, so that it stays the same whatever else is there. Without the lists
everything is one split, `all`. Images lie under images/, under images_001/images/ and so on as they are
downloaded, or beside the CSV.

Wang et al., ChestX-ray8, CVPR 2017. Shape suffixes: N images, C classes.
"""

import hashlib
from pathlib import Path

import numpy as np

from ..runtime.errors import DataError
from .label_files import check_name, read_header, read_lines, read_rows
from .lists import FINDINGS
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split, patient_of

NO_FINDING = "No Finding"
_IMAGE, _LABELS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"
_TRAIN_VAL, _TEST = "train_val_list.txt", "test_list.txt"
_VAL_ONE_IN = 8


def recognises(path: Path) -> bool:
    """True if `path` is such a CSV, or a folder that holds one."""
    return _entry_file(path) is not None


def read(path: Path, _options: ReadOptions = DEFAULTS) -> Dataset:
    """Read labels, patients and the official lists.

    Raises:
        DataError: a file is missing or malformed; what was found is named.
    """
    file = _entry_file(path)
    if file is None:
        raise DataError(f"no Data_Entry_2017*.csv at {path}")
    if absent := [name for name in (_IMAGE, _LABELS, _PATIENT) if name not in read_header(file)]:
        raise DataError(f"{file} lacks column {absent[0]!r}; found: {', '.join(read_header(file))}")
    entries = _read_entries(file)
    root = file.parent
    parts = {name: root / name for name in (_TRAIN_VAL, _TEST) if (root / name).is_file()}
    if not parts:
        members = {"all": list(entries)}
    elif len(parts) == 1:
        missing = _TEST if _TRAIN_VAL in parts else _TRAIN_VAL
        raise DataError(f"{root} has {next(iter(parts))} but no {missing}; both come with the release")
    else:
        development = _read_members(parts[_TRAIN_VAL], entries)
        members = {
            "train": [image for image in development if not _is_val(entries[image][0])],
            "val": [image for image in development if _is_val(entries[image][0])],
            "test": _read_members(parts[_TEST], entries),
        }
    folders = (root / "images", *sorted(root.glob("images_[0-9]*/images")), root)
    return Dataset(
        name=path.resolve().name,
        root=path,
        classes=FINDINGS,
        splits={
            name: Split(
                name=name,
                images=tuple(images),
                labels_NC=np.array([entries[image][1] for image in images], dtype=np.uint8).reshape(
                    len(images), len(FINDINGS)
                ),
                patients=tuple(entries[image][0] for image in images),
                folders=folders,
            )
            for name, images in members.items()
        },
    )


def _entry_file(path: Path) -> Path | None:
    candidates = sorted(path.glob("Data_Entry_2017*.csv")) if path.is_dir() else [path]
    found = [file for file in candidates if file.is_file() and file.match("Data_Entry_2017*.csv")]
    return found[0] if found else None


def _read_entries(file: Path) -> dict[str, tuple[str, list[int]]]:
    """Patient and 0/1 labels of each image."""
    entries: dict[str, tuple[str, list[int]]] = {}
    for row in read_rows(file):
        image = row.cells[_IMAGE]
        check_name(image, row.place)
        if image in entries:
            raise DataError(f"{row.place}: image {image} stands in an earlier line already")
        found = row.cells[_LABELS].split("|")
        if odd := [name for name in found if name not in FINDINGS and name != NO_FINDING]:
            raise DataError(f"{row.place}: unknown finding {odd[0]!r}; known: {', '.join(FINDINGS)}")
        named = patient_of(image)
        patient = row.cells[_PATIENT] if named == image else named
        entries[image] = (patient, [int(name in found) for name in FINDINGS])
    if not entries:
        raise DataError(f"{file} holds a header and no image")
    return entries


def _read_members(file: Path, entries: dict[str, tuple[str, list[int]]]) -> list[str]:
    members: dict[str, None] = {}
    for number, line in read_lines(file):
        image = line.strip()
        if image not in entries:
            raise DataError(f"{file}, line {number}: image {image!r} is not in the Data_Entry_2017 file")
        members[image] = None
    if not members:
        raise DataError(f"{file} is empty; wanted one image name a line")
    return list(members)


def _is_val(patient: str) -> bool:
    return hashlib.sha256(patient.encode()).digest()[0] % _VAL_ONE_IN == 0
