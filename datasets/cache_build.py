"""A version of a cache under construction in CACHE/part, until it is the one that counts.

What the journal names is in the images, so a build that was killed goes on where it was.
"""

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np

from ..runtime.console import progress
from ..runtime.errors import DataError
from ..runtime.files import sync, write_file
from .cache import IMAGES, MARKER, SCHEMA, CachedImages, Index
from .cache_rows import Batch, Made, Wanted, decode_batch
from .executors import Workers, open_executor, run_all

PART, LOCK, JOURNAL, REQUEST = "part", ".xopt-cache", "journal", "request"
_RECORD = struct.Struct("<qqq32sI")
BATCH = 16
"""Images that a worker decodes before it hands them over."""


class Build:
    """A version under construction in CACHE/part."""

    def __init__(
        self, out: Path, index: Index, wanted: Sequence[Wanted], old: tuple[Path, Index] | None
    ) -> None:
        self.out = out
        self.index = index
        self.wanted = wanted
        self.old = old
        self.decoded = 0
        self.failed: dict[int, str] = {}
        self.part = out / PART
        self._done: set[int] = set()
        self._start()
        self._images_MHW = np.load(self.part / IMAGES, mmap_mode="r+")
        self._journal = Journal(self.part / JOURNAL)
        for row, stamp, digest in self._journal.read():
            # A file that has changed since is decoded again.
            if self.wanted[row].stamp == stamp:
                self._mark(row, stamp, digest)

    def _start(self) -> None:
        """Find the folder that an earlier call left for the same rows, or make a new one."""
        rows = json.dumps([self.index.size, self.index.split_of, self.index.images]).encode()
        request = hashlib.sha256(rows).hexdigest()
        current = None if self.old is None else self.old[0].name
        # A call that was killed at its very end had named its version, but not yet made it count.
        folders = [entry for entry in self.out.iterdir() if entry.is_dir() and entry.name != current]
        ended = [entry for entry in folders if entry != self.part and self._may_go_on(entry, request)]
        if ended and not self.part.exists():
            ended[0].rename(self.part)
        if self._may_go_on(self.part, request):
            return
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir()
        shape = (len(self.wanted), self.index.size, self.index.size)
        np.lib.format.open_memmap(self.part / IMAGES, mode="w+", dtype=np.uint8, shape=shape).flush()
        with (self.part / IMAGES).open("r+b") as file:
            # A disk that fills up under a memory map would end the process without a word.
            os.posix_fallocate(file.fileno(), 0, (self.part / IMAGES).stat().st_size)
        write_file(self.part / REQUEST, request)

    def _may_go_on(self, folder: Path, request: str) -> bool:
        """True if a folder was begun for the same rows, and its images are as long as they were."""
        if not _reads(folder / REQUEST, request):
            return False
        try:
            # A file that was cut short would be filled up with black, under a journal that calls it done.
            CachedImages(path=folder / IMAGES, count=len(self.wanted), size=self.index.size).open()
        except DataError:
            return False
        return True

    def take_over(self) -> None:
        """Copy what the last version has of files that were not touched."""
        if self.old is None:
            return
        folder, before = self.old
        names = zip(before.split_of, before.images, strict=True)
        rows = {name: row for row, name in enumerate(names)}
        images_MHW = np.load(folder / IMAGES, mmap_mode="r")
        taken = []
        for w in self.wanted:
            row = rows.get((self.index.split_of[w.row], self.index.images[w.row]))
            if row is None or w.row in self._done or before.skipped_M[row]:
                continue
            # A touched file's old digest stays known, so that equal bytes need not be decoded again.
            self.index.digests_M32[w.row] = before.digests_M32[row]
            self._images_MHW[w.row] = images_MHW[row]
            if w.stamp == tuple(before.stamps_M2[row]) and w.stamp != (-1, -1):
                taken.append(Made(row=w.row, stamp=w.stamp, digest=before.digests_M32[row].tobytes()))
        self._keep(taken)

    def decode(self, cluster: str | None, workers: int | None) -> None:
        """Have workers decode what is left."""
        left = [w for w in self.wanted if w.row not in self._done]
        if not left:
            return
        size = self.index.size
        parts = [left[start : start + BATCH] for start in range(0, len(left), BATCH)]
        batches = [(part, self.index.digests_M32[[w.row for w in part]], size) for part in parts]
        with open_executor(cluster, workers) as opened:
            for made in progress(
                self._decoded(opened, batches), label="decoding", total=len(left), unit="images"
            ):
                if made.reason is not None:
                    self.failed[made.row] = made.reason

    def _decoded(self, workers: Workers, batches: Sequence[Batch]) -> Iterator[Made]:
        for _number, answers in run_all(workers, decode_batch, batches):
            for made in answers:
                if made.image_HW is not None:
                    self._images_MHW[made.row] = made.image_HW
                    self.decoded += 1
            self._keep([made for made in answers if made.reason is None])
            yield from answers

    def commit(self) -> None:
        """Make this version the one that counts."""
        for row in self.failed:
            self.index.skipped_M[row] = True
        self._images_MHW.flush()
        self.index.write(self.part)
        for file in self.part.iterdir():
            sync(file)
        version = uuid4().hex[:12]
        self.part.rename(self.out / version)
        sync(self.out)
        write_file(self.out / MARKER, json.dumps({"schema": SCHEMA, "version": version}) + "\n", force=True)
        for entry in self.out.iterdir():
            if entry.is_dir() and entry.name != version:
                shutil.rmtree(entry, ignore_errors=True)

    def close(self) -> None:
        """Let go of the journal; what is done stays for the next call."""
        self._journal.close()

    def _keep(self, rows: Sequence[Made]) -> None:
        """Note rows as done, once their pixels are on the disk."""
        if not rows:
            return
        self._images_MHW.flush()
        self._journal.add((made.row, made.stamp, made.digest) for made in rows)
        for made in rows:
            self._mark(made.row, made.stamp, made.digest)

    def _mark(self, row: int, stamp: tuple[int, int], digest: bytes) -> None:
        self._done.add(row)
        self.index.stamps_M2[row] = stamp
        self.index.digests_M32[row] = np.frombuffer(digest, dtype=np.uint8)


def _reads(file: Path, text: str) -> bool:
    try:
        return file.read_text() == text
    except OSError:
        return False


class Journal:
    """Rows that are finished, with the stamp and digest of what they were made from.

    Fixed records with a checksum, appended and synced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def add(self, rows: Iterator[tuple[int, tuple[int, int], bytes]]) -> None:
        """Append rows, and return when they are on the disk."""
        for row, stamp, digest in rows:
            body = _RECORD.pack(row, *stamp, digest, 0)[:-4]
            self._file.write(body + struct.pack("<I", zlib.crc32(body)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self) -> list[tuple[int, tuple[int, int], bytes]]:
        """All rows that were added completely."""
        content = self._path.read_bytes()
        whole = len(content) // _RECORD.size * _RECORD.size
        # What a kill left of the last record would shift all that follow.
        self._file.truncate(whole)
        found = []
        for row, length, changed, digest, check in _RECORD.iter_unpack(content[:whole]):
            if zlib.crc32(_RECORD.pack(row, length, changed, digest, 0)[:-4]) == check:
                found.append((row, (length, changed), digest))
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
