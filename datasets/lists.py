"""The list-file format: `<split>_list.txt`, one image a line, its name and then a 0 or 1 for every class.

    00000061_012.jpg 0 0 1 1 0 0 1 0 0 1 0 0 1 0

Names may hold sub-folders; whitespace or commas separate. Images lie under `<split>/`, under
`images/`, or beside the lists. `classes.txt` names the classes, one a line; without it they are
the 14 findings of ChestX-ray14. This is the layout in which the public CheXNet code releases its
splits of ChestX-ray14. Two more files are optional: PATIENTS and FACTS, which `xopt data split` writes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from ..runtime.files import staged_folder
from .label_files import check_name, read_lines
from .options import DEFAULTS, ReadOptions
from .records import Dataset, Split, patient_of

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
"""The 14 findings of ChestX-ray14 (Wang et al., CVPR 2017), in the order of its public list files."""

PATIENTS = "patients.txt"
"""Names the patient of each image, `image patient` a line, where the image's own name does not."""
FACTS = "dataset.json"
"""Says `{"exclusive": true}` where the classes exclude each other."""

_ENDING = "_list.txt"
# An empty field between two commas stays a field, so that a missing label is seen.
_SEPARATOR = re.compile(r"\s*,\s*|\s+")
# What people meet first stands first; other splits follow by name.
_USUAL_ORDER = ("train", "val", "test")


def recognises(path: Path) -> bool:
    """True if `path` is a list file or a folder that holds one."""
    return bool(_list_files(path))


def read(path: Path, options: ReadOptions = DEFAULTS) -> Dataset:
    """Read every list of a folder, or one list file.

    Raises:
        DataError: there is no list, or a line is malformed (file, line number and what was found are named).
    """
    files = _list_files(path)
    if not files:
        raise DataError(f"no list file in {path}; wanted <split>{_ENDING}, such as train{_ENDING}")
    folder = path if path.is_dir() else path.parent
    classes, origin = _read_classes(folder)
    patients = _read_patients(folder / PATIENTS)
    splits = {
        name: _read_list(file, name, classes, origin, patients, options) for name, file in files.items()
    }
    return Dataset(
        name=path.resolve().name.removesuffix(_ENDING),
        root=path,
        classes=classes,
        splits=splits,
        exclusive=_read_exclusive(folder / FACTS),
    )


def _list_files(path: Path) -> dict[str, Path]:
    candidates = path.glob(f"?*{_ENDING}") if path.is_dir() else [path]
    found = {
        file.name.removesuffix(_ENDING): file
        for file in sorted(candidates)
        if file.is_file() and file.name.endswith(_ENDING) and file.name != _ENDING
    }
    return {name: found[name] for name in usual_order(found)}


def usual_order(names: Iterable[str]) -> list[str]:
    """Names of splits: train, val and test first, the others behind them as they come."""
    given = list(names)
    return [name for name in _USUAL_ORDER if name in given] + [n for n in given if n not in _USUAL_ORDER]


def read_class_names(file: Path) -> tuple[str, ...]:
    """The class names of a file, one a line.

    Raises:
        DataError: a name stands twice, there is none, or the file cannot be read.
    """
    names: dict[str, int] = {}
    for number, line in read_lines(file):
        name = line.strip()
        if name in names:
            raise DataError(f"{file}, line {number}: class {name!r} stands on line {names[name]} already")
        names[name] = number
    if not names:
        raise DataError(f"{file} is empty; wanted one class name a line")
    return tuple(names)


def _read_classes(folder: Path) -> tuple[tuple[str, ...], str]:
    """The class names, and where they come from, in words."""
    file = folder / "classes.txt"
    if not file.exists():
        return FINDINGS, f"the 14 findings of ChestX-ray14, as there is no {file.name}"
    return read_class_names(file), f"the classes of {file.name}"


def _read_patients(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    patients: dict[str, str] = {}
    for number, line in read_lines(file):
        image, _space, patient = line.strip().partition("\t" if "\t" in line else " ")
        if not patient.strip():
            raise DataError(f"{file}, line {number}: wanted an image and its patient, found {line!r}")
        patients[image.strip()] = patient.strip()
    return patients


def _read_exclusive(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        exclusive = json.loads("\n".join(line for _number, line in read_lines(file)))["exclusive"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f'{file} must say {{"exclusive": true}} or false, got {error}') from error
    return exclusive is True


def _read_list(
    file: Path,
    name: str,
    classes: tuple[str, ...],
    origin: str,
    patients: Mapping[str, str],
    options: ReadOptions,
) -> Split:
    first_seen: dict[str, int] = {}
    rows: list[list[int]] = []
    for number, line in read_lines(file):
        image, *labels = _SEPARATOR.split(line.strip())
        place = f"{file}, line {number}"
        check_name(image, place)
        if image in first_seen:
            raise DataError(f"{place}: image {image} stands on line {first_seen[image]} already")
        if len(labels) != len(classes):
            raise DataError(f"{place}: wanted {len(classes)} labels ({origin}), found {len(labels)}")
        for label in labels:
            if label not in ("0", "1", "-1"):
                raise DataError(f"{place}: a label must be 0, 1 or -1 (uncertain), found {label!r}")
        first_seen[image] = number
        rows.append([int(label) for label in labels])
    if not rows:
        raise DataError(f"{file} is empty; wanted one image a line, its name and then {len(classes)} labels")
    images = tuple(first_seen)
    labels_NC, mask_NC = options.settle(np.array(rows, dtype=np.int8))
    return Split(
        name=name,
        images=images,
        labels_NC=labels_NC,
        mask_NC=mask_NC,
        patients=tuple(patients[image] if image in patients else patient_of(image) for image in images),
        folders=(file.parent / name, file.parent / "images", file.parent),
    )


def write_lists(dataset: Dataset, sources: Dataset, out: Path, *, force: bool = False) -> bool:
    """Write `<split>_list.txt`, classes.txt, patients.txt, dataset.json, and links to the images.

    Images of arrays are written as PNG, with the same pixels.

    Args:
        dataset: what to write.
        sources: the dataset in which the images of the same names are found.
        out: the folder to be made; complete or absent.
        force: replace an earlier folder of list files.

    Returns:
        whether the images were found; without them, the labels are written alone.

    Raises:
        DataError: a name holds a space or a comma, which would end it in a list file.
        OutputError: the folder may not be replaced, or the disk refused.
    """
    images = [image for split in dataset.splits.values() for image in split.images]
    if odd := [image for image in images if any(c.isspace() or c == "," for c in image)]:
        raise DataError(
            f"list files cannot hold the image name {odd[0]!r}, as it has a space or comma; rename it"
        )
    with staged_folder(out, force=force, marker=PATIENTS) as stage:
        patients = []
        for split in dataset.splits.values():
            rows = split.marked_labels.tolist()
            lines = [" ".join([i, *map(str, row)]) for i, row in zip(split.images, rows, strict=True)]
            (stage / f"{split.name}_list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            patients += [f"{i}\t{p}\n" for i, p in zip(split.images, split.patients, strict=True)]
        (stage / PATIENTS).write_text("".join(patients), encoding="utf-8")
        (stage / "classes.txt").write_text("\n".join(dataset.classes) + "\n", encoding="utf-8")
        (stage / FACTS).write_text(json.dumps({"exclusive": dataset.exclusive}) + "\n")
        found = _find(sources, set(images))
        if found is not None:
            _place(found, stage / "images")
    return found is not None


def _find(dataset: Dataset, names: set[str]) -> dict[str, Path | NDArray[np.uint8]] | None:
    found: dict[str, Path | NDArray[np.uint8]] = {}
    for split in dataset.splits.values():
        for index, image in enumerate(split.images):
            if image not in names or image in found:
                continue
            try:
                found[image] = split.source(index)
            except DataError:
                return None
    return found


def _place(found: dict[str, Path | NDArray[np.uint8]], folder: Path) -> None:
    from PIL import Image

    paths = {image: source.resolve() for image, source in found.items() if isinstance(source, Path)}
    homes = {_home(path, image) for image, path in paths.items()}
    if len(homes) == 1 and len(paths) == len(found) and None not in homes:
        # One link for all: a folder of a hundred thousand would take as many.
        folder.symlink_to(next(home for home in homes if home is not None), target_is_directory=True)
        return
    for image, source in found.items():
        place = folder / image
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            place.symlink_to(paths[image])
        else:
            Image.fromarray(np.asarray(source)).save(place, format="PNG")


def _home(path: Path, image: str) -> Path | None:
    """The folder below which the image's name leads to its file; None where the file is a link elsewhere."""
    depth = len(Path(image).parts)
    home = path.parents[depth - 1]
    return home if home / image == path else None
