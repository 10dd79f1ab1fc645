"""A PNG's structure, checked before Pillow decodes it: every checksum, every cap, no bomb in the margin."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from .decoded import MAX_PIXELS
from .exif import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A 40-megapixel image in the 8 KB pieces that libpng writes has 10,000; Pillow walks them one by one.
_MOST_CHUNKS = 50_000
# What decides pixels. All else (profiles, texts, times) is left out, so that it is never unfolded.
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


# Bits a sample that a colour type may have, and its samples a pixel.
_GREY, _COLOUR, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _COLOUR: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _COLOUR_ALPHA: (8, 16),
}
_SAMPLES = {_GREY: 1, _COLOUR: 3, _PALETTE: 1, _GREY_ALPHA: 2, _COLOUR_ALPHA: 4}
# Adam7: first column and row of each pass, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CheckedPNG:
    """A PNG with nothing but what decides its pixels."""

    content: bytes
    orientation: int
    """EXIF orientation, 1..8."""
    colours: int | None
    """Colours of its palette; None where it has none."""
    pixel_bytes: int
    """What its coded pixels must inflate to."""
    interlaced: bool

    def check_pixels(self) -> None:
        """Check that the coded pixels are enough; Pillow leaves the rest black where they are not.

        Raises:
            InputError: they are too few.
        """
        stream, missing = zlib.decompressobj(), self.pixel_bytes
        for kind, chunk in _chunks(self.content):
            left = bytes(chunk[8:-4]) if kind == b"IDAT" else b""
            while left and missing > 0:
                missing -= len(stream.decompress(left, _INFLATE_BYTES))
                left = stream.unconsumed_tail
        if missing > 0:
            raise InputError("is no readable PNG or JPEG (its coded pixels are too few); copy it again")


def check_png(content: bytes) -> CheckedPNG:
    """Check the chunks of a PNG (W3C PNG, third edition) and keep those that decide its pixels.

    Pillow takes an IDAT chunk without comparing its checksum, and an image whose last chunks are missing.

    Raises:
        InputError: damaged, cut off, too large, animated, or transparent in 16 bits; the file's name is
            left to the caller.
    """
    kept, seen, turned, colours = [SIGNATURE], [], 1, None
    for kind, chunk in _chunks(content):
        seen.append(kind)
        if len(seen) == 1:
            header = _Header.read(kind, bytes(chunk[8:-4]))
        if kind == b"eXIf":
            turned = orientation(bytes(chunk[8:-4]))
        if kind == b"PLTE":
            colours, odd = divmod(len(chunk) - 12, 3)
            if odd or not 0 < colours <= 256:
                raise InputError("is no readable PNG or JPEG (a damaged palette); check the file")
        if kind in _NEEDED:
            kept.append(bytes(chunk))
        elif not kind[0] & 0x20:
            raise InputError("has a PNG chunk that no standard knows; write it again")
    _check_order(seen)
    if header.colour == _PALETTE and colours is None:
        raise InputError("is no readable PNG or JPEG (its palette is missing); check the file")
    if header.depth == 16 and b"tRNS" in seen:
        raise InputError("has transparent pixels in 16 bits, which have no grey value; flatten it first")
    unchanged = len(kept) == len(seen) + 1 and sum(map(len, kept)) == len(content)
    return CheckedPNG(
        content=content if unchanged else b"".join(kept),
        orientation=turned,
        colours=colours if header.colour == _PALETTE else None,
        pixel_bytes=header.pixel_bytes(),
        interlaced=header.interlaced,
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @classmethod
    def read(cls, kind: bytes, body: bytes) -> "_Header":
        if kind != b"IHDR" or len(body) != 13:
            raise InputError("is no readable PNG or JPEG (no PNG header); check the file")
        width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        depth, colour, compression, filtering, interlace = body[8:]
        if not width or not height:
            raise InputError(f"has {width} x {height} pixels; an image needs some")
        if width * height > MAX_PIXELS:
            raise InputError(f"has {width} x {height} pixels; at most {MAX_PIXELS} are decoded")
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise InputError("is no readable PNG or JPEG (a PNG header of no standard); check the file")
        return cls(width=width, height=height, depth=depth, colour=colour, interlaced=interlace == 1)

    def pixel_bytes(self) -> int:
        """Bytes of all rows, each with its filter in front."""
        bits, total = self.depth * _SAMPLES[self.colour], 0
        for left, top, across, down in _PASSES if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -((left - self.width) // across), -((top - self.height) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks of a PNG up to its end, each with its name."""
    at = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        kind, chunk = _chunk(content, at)
        yield kind, chunk
        if kind == b"IEND":
            return
        at += len(chunk)
    raise InputError(f"has more than {_MOST_CHUNKS} PNG chunks; write it again")


def _chunk(content: bytes, at: int) -> tuple[bytes, memoryview]:
    length = int.from_bytes(content[at : at + 4], "big")
    end = at + 12 + length
    if len(content) < end or len(content) < at + 12:
        raise InputError("is cut off before the end of the image; copy it again")
    chunk = memoryview(content)[at:end]
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        raise InputError("is no readable PNG or JPEG (a PNG checksum does not match); copy it again")
    return bytes(chunk[4:8]), chunk


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
