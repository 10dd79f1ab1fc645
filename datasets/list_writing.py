"""Writing a dataset as list files, with its images linked beside them."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DataError
from ..runtime.files import staged_folder
from .lists import FACTS, PATIENTS
from .records import Dataset


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
