"""One argument for every data source: its format is recognised by what is there, or named."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import DataError
from . import cache, csv_columns, lists, nih, npz, tree
from .options import ReadOptions
from .records import Dataset


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way in which labelled images are released."""

    name: str
    """What `--format` calls it."""
    looks_like: str
    """What marks it, in words, for the message about a source that nobody recognises."""
    recognises: Callable[[Path], bool]
    """Whether an existing file or folder is of this format, told from names and header lines."""
    read: Callable[[Path, ReadOptions], Dataset]
    """Read its labels; images are not opened."""


FORMATS = (
    Format(
        name="cache",
        looks_like=f"a folder with {cache.MARKER}, made by xopt data prepare",
        recognises=cache.recognises,
        read=cache.read,
    ),
    # The release has files that end in _list.txt, too, without labels.
    Format(
        name="nih",
        looks_like="the NIH Data_Entry_2017*.csv, best with train_val_list.txt and test_list.txt",
        recognises=nih.recognises,
        read=nih.read,
    ),
    Format(
        name="list",
        looks_like="a folder with <split>_list.txt files, or one such file",
        recognises=lists.recognises,
        read=lists.read,
    ),
    Format(
        name="chexpert",
        looks_like="CheXpert's train.csv and valid.csv",
        recognises=csv_columns.recognises_chexpert,
        read=csv_columns.read_chexpert,
    ),
    Format(
        name="csv",
        looks_like="a CSV with a column image and one per finding, or a folder with train.csv or labels.csv",
        recognises=csv_columns.recognises,
        read=csv_columns.read,
    ),
    Format(
        name="npz",
        looks_like="a MedMNIST-style .npz file with train_images and train_labels",
        recognises=npz.recognises,
        read=npz.read,
    ),
    Format(
        name="tree",
        looks_like="a folder per class with images in it, such as train/NORMAL/*.jpeg",
        recognises=tree.recognises,
        read=tree.read,
    ),
)
"""Every format there is, in the order in which they are tried."""


def open_source(
    source: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    uncertain: str = ReadOptions.uncertain,
    findings: str = ReadOptions.findings,
) -> Dataset:
    """Open a data source; labels are read, images are not.

    Args:
        source: a folder or file.
        format: name of one of FORMATS; None recognises it by what is there.
        uncertain: what a label of -1 counts as: `ignore` (see `Split.mask_NC`), `zeros` or `ones`.
        findings: of CheXpert's findings, the five of its `competition`, or `all`.

    Raises:
        UsageError: an unknown `uncertain` or `findings`.
        DataError: nothing is there, no format recognises it, or its labels are malformed.
    """
    path, options = Path(source), ReadOptions(uncertain=uncertain, findings=findings)
    if not path.exists():
        raise DataError(f"no data at {path}; give a folder or file that exists")
    if format is not None:
        return _named(format).read(path, options)
    for candidate in FORMATS:
        if candidate.recognises(path):
            return candidate.read(path, options)
    wanted = "; ".join(f"{f.looks_like} (--format {f.name})" for f in FORMATS)
    raise DataError(f"{path} is in no format known here: looked for {wanted}; found {_what_is_at(path)}")


def _named(name: str) -> Format:
    for candidate in FORMATS:
        if candidate.name == name:
            return candidate
    raise DataError(f"no data format {name!r}; there is: {', '.join(f.name for f in FORMATS)}")


def _what_is_at(path: Path, *, most: int = 5) -> str:
    if not path.is_dir():
        return "a file"
    try:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    except OSError as error:
        raise DataError(f"cannot look into {path}: {error.strerror}") from error
    if not names:
        return "an empty folder"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
