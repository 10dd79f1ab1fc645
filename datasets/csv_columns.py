"""CSV with one column per finding, and the files of CheXpert.

    image,patient,split,Effusion,Edema
    a.png,p1,train,0,1

One file whose column `split` says the part (without it: `all`), or a folder with `train.csv`, `val.csv`,
`test.csv`. A label is 0, 1, or -1 where it is uncertain (see `ReadOptions.uncertain`). Every column is a
finding, apart from those named below: a misspelt label would otherwise vanish with its column.

CheXpert's `train.csv` and `valid.csv` are told by their columns; there an empty label is one that the
report does not mention, which counts as 0, and patients stand in the path (Irvin et al., AAAI 2019).

Shape suffixes: N images, C classes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..runtime.errors import DataError
from .label_files import UNNAMED, Row, check_name, read_header, read_rows
from .lists import usual_order
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split, patient_of

IMAGE = (
    *("image", "image index", "image id", "image name", "image path", "image file"),
    *("path", "file", "file name", "file path", "id", "dicom id"),
)
PATIENT = ("patient", "patient id", "subject", "subject id")
SPLIT = ("split", "fold")
NOT_READ = (
    *("age", "patient age", "sex", "patient sex", "gender", "patient gender"),
    *("view", "view position", "projection", "frontal/lateral", "ap/pa", "study", "study id"),
)
"""Columns that are known to be no finding, as `is_called` compares them; the first three are read."""

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five findings on which CheXpert's competition was scored."""
CHEXPERT = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)

_OTHER_NAMES = {"valid": "val", "validation": "val", "dev": "val", "training": "train", "testing": "test"}
_PATIENT_FOLDER = re.compile(r"(?:^|/)(patient\d+)/")
_VALUES = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "-1": -1, "-1.0": -1}


def folded(column: str) -> str:
    """A column's name without case, spaces, `_` and `-`: what `Image Index` and `image_index` share."""
    return re.sub(r"[\s_-]+", "", column).casefold()


def is_called(column: str, names: Sequence[str]) -> bool:
    """True if a column has one of `names`, in any case, with or without spaces, `_` and `-`."""
    return folded(column) in map(folded, names)


def recognises(path: Path) -> bool:
    """True if `path` is a CSV with a column of images, or a folder with one that is told by its name."""
    return any(_column(read_header(file), IMAGE) for file in _files(path))


def recognises_chexpert(path: Path) -> bool:
    """True if `path` is a CheXpert CSV, or a folder that holds one."""
    return any(_is_chexpert(read_header(file)) for file in _files(path))


def read(path: Path, options: ReadOptions = DEFAULTS) -> Dataset:
    """Read a CSV with one column per finding, or a folder of them.

    Raises:
        DataError: a file is malformed; what was found is named.
    """
    files = _files(path)
    if not files:
        raise DataError(f"no train.csv, val.csv, test.csv or labels.csv at {path}")
    headers = {file: read_header(file) for file in files}
    classes = _findings(files[0], headers[files[0]])
    for file, header in headers.items():
        if set(_findings(file, header)) != set(classes):
            raise DataError(f"{file} has other findings than {files[0].name}: {', '.join(header)}")
    parts: dict[str, _Part] = {}
    for file, header in headers.items():
        image, patient, split = (_column(header, names) for names in (IMAGE, PATIENT, SPLIT))
        own = "all" if len(files) == 1 else _split_name(file.stem)
        for row in read_rows(file):
            name = row.cells[image or ""]
            part = own if split is None else _split_name(row.cells[split])
            who = patient_of(name) if patient is None else row.cells[patient]
            parts.setdefault(part, _Part(folder=file.parent)).add(row, name, who, classes, blank=None)
    return _dataset(path, classes, parts, options, lambda name, root: (root / name, root / "images", root))


def read_chexpert(path: Path, options: ReadOptions = DEFAULTS) -> Dataset:
    """Read CheXpert's train.csv and valid.csv (and test.csv); `valid` becomes the split val.

    Raises:
        DataError: a file is malformed; what was found is named.
    """
    files = [file for file in _files(path) if _is_chexpert(read_header(file))]
    if not files:
        raise DataError(
            f"no CheXpert train.csv or valid.csv at {path}; their columns are Path, Sex, Age, ..."
        )
    classes = COMPETITION if options.findings == "competition" else CHEXPERT
    parts: dict[str, _Part] = {}
    for file in files:
        part = parts.setdefault(_split_name(file.stem), _Part(folder=file.parent))
        for row in read_rows(file):
            # The release's own folder name stands first; the folder may have been renamed since.
            name = re.sub(r"^CheXpert-[^/]*/", "", row.cells["Path"])
            who = _PATIENT_FOLDER.search(name)
            part.add(row, name, who.group(1) if who else name, classes, blank=0)
    return _dataset(path, classes, parts, options, lambda _name, root: (root, root.parent))


@dataclass(kw_only=True)
class _Part:
    """One split as it is read."""

    folder: Path
    images: dict[str, str] = field(default_factory=dict)
    """The patient of each image."""
    labels: list[list[int]] = field(default_factory=list)
    """0, 1 or -1."""

    def add(self, row: Row, image: str, patient: str, classes: Sequence[str], *, blank: int | None) -> None:
        check_name(image, row.place)
        if image in self.images:
            raise DataError(f"{row.place}: image {image} stands in an earlier line already")
        if not patient:
            raise DataError(f"{row.place}: no patient; give one, or leave the column out for all images")
        labels = []
        for name in classes:
            value = blank if not row.cells[name] else _VALUES.get(row.cells[name])
            if value is None:
                raise DataError(
                    f"{row.place}: {name} must be 0, 1 or -1 (uncertain), found {row.cells[name]!r}; "
                    "remove the column if it is no finding"
                )
            labels.append(value)
        self.images[image] = patient
        self.labels.append(labels)


def _dataset(
    path: Path,
    classes: tuple[str, ...],
    parts: dict[str, _Part],
    options: ReadOptions,
    folders: Callable[[str, Path], tuple[Path, ...]],
) -> Dataset:
    if not parts:
        raise DataError(f"{path} holds a header and no image")
    return Dataset(
        name=path.resolve().name.removesuffix(".csv"),
        root=path,
        classes=classes,
        splits={
            name: _split(name, parts[name], options, folders(name, parts[name].folder))
            for name in usual_order(parts)
        },
    )


def _split(name: str, part: _Part, options: ReadOptions, folders: tuple[Path, ...]) -> Split:
    labels_NC, mask_NC = options.settle(np.array(part.labels, dtype=np.int8))
    return Split(
        name=name,
        images=tuple(part.images),
        labels_NC=labels_NC,
        patients=tuple(part.images.values()),
        folders=folders,
        mask_NC=mask_NC,
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".csv" else []
    named = [
        file for file in sorted(path.glob("*.csv")) if _split_name(file.stem) in ("train", "val", "test")
    ]
    return named or [file for file in (path / "labels.csv",) if file.is_file()]


def _is_chexpert(header: Sequence[str]) -> bool:
    return "Path" in header and "Frontal/Lateral" in header and set(COMPETITION) <= set(header)


def _split_name(text: str) -> str:
    name = text.strip().lower()
    return _OTHER_NAMES.get(name, name)


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The first column that is called by one of `names`."""
    return next((column for column in header if is_called(column, names)), None)


def _findings(file: Path, header: Sequence[str]) -> tuple[str, ...]:
    image = _column(header, IMAGE)
    if image is None:
        raise DataError(
            f"{file} has no column of image names ({', '.join(IMAGE)}); found: {', '.join(header)}"
        )
    known = {image, _column(header, PATIENT), _column(header, SPLIT)}
    findings = tuple(name for name in header if name not in known and not is_called(name, NOT_READ))
    if not findings or any(name.startswith(UNNAMED) for name in findings):
        raise DataError(f"{file} must have a named column for each finding; found: {', '.join(header)}")
    return findings
