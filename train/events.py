"""TensorBoard's event files, written without TensorBoard: a scalar is some sixty bytes.

The format: each record is its length (8 bytes, little endian), a masked CRC-32C of these, the record and a
masked CRC-32C of that; the record is an `Event` of tensorflow/core/util/event.proto in protobuf's encoding.
"""

import os
import socket
import struct
import time
from functools import cache
from pathlib import Path

_CASTAGNOLI = 0x82F63B78
_MASK = 0xA282EAD8
# Field numbers of Event, SessionLog and Summary.Value.
_WALL_TIME, _STEP, _VERSION, _SUMMARY, _SESSION = 1, 2, 3, 5, 7
_STATUS_START = 1


class Events:
    """An event file, opened with the first value that is written to it."""

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        """Begin a file beside those that are there.

        Args:
            folder: where TensorBoard is pointed at.
            first_step: values of earlier files from this step on are taken back, as after a resume.
        """
        # The process makes the name unique: a resumed run may start within the same second.
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{first_step}"
        self.path = folder / name
        self._pending = bytearray(_record(_text(_VERSION, b"brain.Event:2")))
        if first_step:
            session = _integer(1, _STATUS_START)
            self._pending += _record(_integer(_STEP, first_step) + _text(_SESSION, session))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Note one number; `flush` writes it."""
        entry = _text(1, tag.encode()) + _key(2, 5) + struct.pack("<f", value)
        self._pending += _record(_integer(_STEP, step) + _text(_SUMMARY, _text(1, entry)))

    def flush(self) -> None:
        """Write what was noted.

        Raises:
            OSError: the disk refused.
        """
        with self.path.open("ab") as file:
            file.write(self._pending)
        self._pending.clear()


def _record(fields: bytes) -> bytes:
    event = _key(_WALL_TIME, 1) + struct.pack("<d", time.time()) + fields
    length = struct.pack("<Q", len(event))
    return length + _checksum(length) + event + _checksum(event)


def _checksum(content: bytes) -> bytes:
    crc, table = 0xFFFFFFFF, _table()
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF)


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_CASTAGNOLI if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _integer(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _text(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
