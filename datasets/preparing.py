"""`xopt data prepare`: decode and resize every image of a source once, into a cache (see cache.py).

Rows are kept by the SHA-256 of the bytes they were made from. A file whose size and time of change are what
they were is taken to be the same; one that was touched is hashed, and decoded only if its bytes differ.
Work goes on in CACHE/part with a journal: what is in the journal is in the images, so a run that was killed
goes on where it was. Shape suffixes: M rows, B rows of a batch.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.errors import DataError, OutputError
from ..runtime.files import make_folder
from ..runtime.locks import locked
from .cache import IMAGES, CachedImages, Index, current_version, recognises
from .cache_build import LOCK, Build
from .cache_rows import Wanted, list_wanted
from .records import Dataset


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The result of a call of `prepare`."""

    path: Path
    size: int
    images: int
    decoded: int
    """Images that were decoded by this call."""
    skipped: tuple[str, ...]
    """Images that cannot be decoded, with the reason."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "cache": str(self.path),
            "size": self.size,
            "images": self.images,
            "decoded": self.decoded,
            "skipped": list(self.skipped),
            "seconds": self.seconds,
            "images_per_second": self.decoded / self.seconds if self.decoded else None,
            "size_mb": self.images * self.size**2 / 1e6,
        }

    def to_text(self) -> str:
        """The result in plain sentences."""
        rate = f", {self.decoded / self.seconds:.0f} images/s" if self.decoded else ""
        return (
            f"{self.images} images of {self.size} x {self.size} pixels in {self.path} "
            f"({self.images * self.size**2 / 1e6:.0f} MB)\n"
            f"decoded  {self.decoded} in {self.seconds:.1f} s{rate}; "
            f"{self.images - self.decoded} were there already"
            + "".join(f"\nskipped  {reason}" for reason in self.skipped)
        )


def prepare(
    dataset: Dataset,
    out: Path,
    *,
    size: int = 256,
    skip_unreadable: bool = False,
    force: bool = False,
    cluster: str | None = None,
    workers: int | None = None,
) -> Prepared:
    """Make a cache, bring one up to date, or find that there is nothing to do.

    Args:
        dataset: its images must be there.
        out: the cache's folder.
        size: side of the images it holds, in pixels.
        skip_unreadable: leave images out that cannot be decoded, instead of an error.
        force: replace a cache of another size or dataset, or a damaged one.
        cluster, workers: where images are decoded, see `open_executor`.

    Raises:
        DataError: an image is absent or cannot be decoded (the others are kept for the next call), or the
            cache is damaged.
        OutputError: something else is at `out`, another process is at work on it, or the disk refused.
        ClusterError: workers cannot be reached or were lost.
    """
    started = time.perf_counter()
    old = _existing(out, dataset, size, force=force)
    wanted = list(list_wanted(dataset))
    index = _index(dataset, size, wanted)
    if old is not None and _nothing_to_do(old[1], index, skip_unreadable=skip_unreadable):
        decoded, skipped = 0, tuple(f"{w.place}" for w in wanted if old[1].skipped_M[w.row])
    else:
        make_folder(out)
        decoded, skipped = _build(out, index, wanted, old, skip_unreadable, cluster, workers)
    return Prepared(
        path=out,
        size=size,
        images=len(wanted) - len(skipped),
        decoded=decoded,
        skipped=skipped,
        seconds=time.perf_counter() - started,
    )


def _build(
    out: Path,
    index: Index,
    wanted: Sequence[Wanted],
    old: tuple[Path, Index] | None,
    skip_unreadable: bool,
    cluster: str | None,
    workers: int | None,
) -> tuple[int, tuple[str, ...]]:
    """Decode what is not there yet: how many images that were, and which were skipped."""
    busy = f"another process is preparing {out}; wait for it to end"
    try:
        with locked(out / LOCK, busy), closing(Build(out, index, wanted, old)) as build:
            build.take_over()
            build.decode(cluster, workers)
            if build.failed and not skip_unreadable:
                first = next(iter(build.failed.values()))
                raise DataError(
                    f"{len(build.failed)} of {len(wanted)} images cannot be prepared, first {first}; mend or "
                    "remove them and start again (the others are kept), or add --skip-unreadable"
                )
            build.commit()
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    return build.decoded, tuple(build.failed.values())


def _existing(out: Path, dataset: Dataset, size: int, *, force: bool) -> tuple[Path, Index] | None:
    """The version there is, if it may be built on."""
    if not recognises(out):
        ours = not out.exists() or (out.is_dir() and ((out / LOCK).exists() or not any(out.iterdir())))
        if not ours:
            raise OutputError(f"{out} exists already and is no prepared cache; choose another --out")
        return None
    try:
        folder = current_version(out)
        index = Index.read(folder)
        # Only looked at: it may be there and cut short.
        CachedImages(path=folder / IMAGES, count=len(index.images), size=index.size).open()
    except DataError:
        if force:
            return None
        raise
    if (index.size, index.name) != (size, dataset.name) and not force:
        raise OutputError(
            f"{out} is a cache of {index.name} at {index.size} pixels, not of {dataset.name} at {size}; "
            "choose another --out, or add --force to replace it"
        )
    return (folder, index) if index.size == size else None


def _index(dataset: Dataset, size: int, wanted: Sequence[Wanted]) -> Index:
    splits = list(dataset.splits.values())
    return Index(
        size=size,
        name=dataset.name,
        classes=dataset.classes,
        exclusive=dataset.exclusive,
        splits=tuple(split.name for split in splits),
        split_of=tuple(split.name for split in splits for _image in split.images),
        images=tuple(image for split in splits for image in split.images),
        patients=tuple(patient for split in splits for patient in split.patients),
        marked_MC=np.concatenate([split.marked_labels for split in splits]),
        skipped_M=np.zeros(len(wanted), dtype=bool),
        stamps_M2=np.array([w.stamp for w in wanted], dtype=np.int64).reshape(-1, 2),
        digests_M32=np.zeros((len(wanted), 32), dtype=np.uint8),
    )


def _nothing_to_do(old: Index, new: Index, *, skip_unreadable: bool) -> bool:
    if old.skipped_M.any() and not skip_unreadable:
        return False
    return old.same_labels(new) and np.array_equal(old.stamps_M2, new.stamps_M2)
