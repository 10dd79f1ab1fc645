"""A PNG's structure, checked before Pillow decodes it: every checksum, every cap, no bomb in the margin."""

import zlib
from dataclasses import dataclass

from .decoded import MAX_PIXELS
from .errors import InputError
from .exif import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A 40-megapixel image in the 8 KB pieces that libpng writes has 10,000; Pillow walks them one by one.
_MOST_CHUNKS = 50_000
# What decides pixels. All else (profiles, texts, times) is left out, so that it is never unfolded.
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


@dataclass(frozen=True, kw_only=True)
class CheckedPNG:
    """A PNG with nothing but what decides its pixels."""

    content: bytes
    orientation: int
    """EXIF orientation, 1..8."""


def check_png(content: bytes) -> CheckedPNG:
    """Check the chunks of a PNG (W3C PNG, third edition) and keep those that decide its pixels.

    Pillow takes an IDAT chunk without comparing its checksum, and an image whose last chunks are missing.

    Raises:
        InputError: damaged, cut off, too large, animated, or transparent in 16 bits; the file's name is
            left to the caller.
    """
    kept = [SIGNATURE]
    seen: list[bytes] = []
    turned = 1
    at = len(SIGNATURE)
    while not seen or seen[-1] != b"IEND":
        kind, chunk = _chunk(content, at)
        at += len(chunk)
        seen.append(kind)
        if len(seen) > _MOST_CHUNKS:
            raise InputError(f"has more than {_MOST_CHUNKS} PNG chunks; write it again")
        if len(seen) == 1:
            _check_header(kind, chunk[8:-4])
        if kind == b"eXIf":
            turned = orientation(bytes(chunk[8:-4]))
        if kind in _NEEDED:
            kept.append(bytes(chunk))
        elif not kind[0] & 0x20:
            raise InputError("has a PNG chunk that no standard knows; write it again")
    _check_order(seen)
    if b"tRNS" in seen and content[24] == 16:
        raise InputError("has transparent pixels in 16 bits, which have no grey value; flatten it first")
    whole = len(kept) == len(seen) + 1 and at == len(content)
    return CheckedPNG(content=content if whole else b"".join(kept), orientation=turned)


def _chunk(content: bytes, at: int) -> tuple[bytes, memoryview]:
    length = int.from_bytes(content[at : at + 4], "big")
    end = at + 12 + length
    if len(content) < end or len(content) < at + 12:
        raise InputError("is cut off before the end of the image; copy it again")
    chunk = memoryview(content)[at:end]
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        raise InputError("is no readable PNG or JPEG (a PNG checksum does not match); copy it again")
    return bytes(chunk[4:8]), chunk


def _check_header(kind: bytes, header: memoryview) -> None:
    if kind != b"IHDR" or len(header) != 13:
        raise InputError("is no readable PNG or JPEG (no PNG header); check the file")
    width, height = (int.from_bytes(header[i : i + 4], "big") for i in (0, 4))
    if not width or not height:
        raise InputError(f"has {width} x {height} pixels; an image needs some")
    if width * height > MAX_PIXELS:
        raise InputError(f"has {width} x {height} pixels; at most {MAX_PIXELS} are decoded")


def _check_order(seen: list[bytes]) -> None:
    if b"acTL" in seen:
        raise InputError("is an animation of several frames; give one image a file")
    for single in (b"IHDR", b"PLTE", b"tRNS", b"eXIf"):
        if seen.count(single) > 1:
            raise InputError("repeats a PNG chunk that may stand once; write it again")
    first = seen.index(b"IDAT") if b"IDAT" in seen else -1
    if first < 0 or set(seen[first : first + seen.count(b"IDAT")]) != {b"IDAT"}:
        raise InputError("is no readable PNG or JPEG (its pixels are missing or in pieces); check the file")
    if any(late in seen[first:] for late in (b"PLTE", b"tRNS")):
        raise InputError("is no readable PNG or JPEG (a palette after the pixels); check the file")
