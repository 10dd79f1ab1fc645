"""What is done of a cache under construction: fixed records with a checksum, appended and synced."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_RECORD = struct.Struct("<qqq32sI")


class Journal:
    """Rows that are finished, with the stamp and digest of what they were made from."""

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
