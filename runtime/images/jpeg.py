"""A JPEG's structure, checked before Pillow decodes it: one frame, few scans, no metadata to get lost in."""

from dataclasses import dataclass

from ..errors import InputError
from .decoded import MAX_PIXELS
from .exif import orientation

SIGNATURE = b"\xff\xd8\xff"

# Photographs with profiles and previews have about a hundred segments, progressive ones about ten scans.
_MOST_SEGMENTS = 1000
_MOST_SCANS = 64

_SOI, _EOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_HUFFMAN_TABLES, _EXTENSION, _ARITHMETIC_TABLES = 0xC4, 0xC8, 0xCC
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_HUFFMAN_TABLES, _EXTENSION, _ARITHMETIC_TABLES}
_BARE = frozenset({0x01, _SOI, _EOI, *range(0xD0, 0xD8)})


@dataclass(frozen=True, kw_only=True)
class CheckedJPEG:
    """A JPEG without the segments that do not decide its pixels."""

    content: bytes
    orientation: int
    """EXIF orientation, 1..8."""
    width: int
    height: int
    components: int


def check_jpeg(content: bytes) -> CheckedJPEG:
    """Check the segments of a JPEG (ITU-T T.81 annex B) and leave out profiles, comments and previews.

    Raises:
        InputError: damaged, cut off, too large, of several pictures, or of a process other than 8-bit
            baseline, extended and progressive; the file's name is left to the caller.
    """
    kept = [content[:2]]
    turned, frame, at = 1, None, 2
    for _ in range(_MOST_SEGMENTS):
        marker, segment = _segment(content, at)
        at += len(segment)
        body = segment[4:]
        if marker == _SOS:
            return _finish(content, [*kept, segment], at, frame, turned)
        if marker in _FRAMES:
            if frame is not None:
                raise InputError("holds several JPEG frames; give one image a file")
            frame = _Frame.read(marker, body)
        if marker == _APP1 and body[:6] == b"Exif\0\0":
            turned = orientation(body[6:])
        if marker == _APP2 and body[:4] == b"MPF\0":
            raise InputError("holds several pictures (MPF); give one image a file")
        metadata = marker == _COM or (_APP0 <= marker <= 0xEF and marker not in (_APP0, _APP14))
        if not metadata:
            kept.append(segment)
    raise InputError(f"has more than {_MOST_SEGMENTS} JPEG segments; write it again")


@dataclass(frozen=True, kw_only=True)
class _Frame:
    marker: int
    width: int
    height: int
    components: int

    @classmethod
    def read(cls, marker: int, body: bytes) -> "_Frame":
        if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            raise InputError(
                f"is a JPEG of a process that is not read (SOF{marker - 0xC0}); "
                "baseline, extended and progressive are"
            )
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:
            raise InputError("is no readable PNG or JPEG (a damaged JPEG frame header); check the file")
        if body[0] != 8:
            raise InputError(f"is a JPEG of {body[0]} bits a sample; 8 are read")
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        if not width or not height:
            raise InputError(f"has {width} x {height} pixels; an image needs some")
        if width * height > MAX_PIXELS:
            raise InputError(f"has {width} x {height} pixels; at most {MAX_PIXELS} are decoded")
        return cls(marker=marker, width=width, height=height, components=body[5])


def _segment(content: bytes, at: int) -> tuple[int, bytes]:
    start = at
    while content[at : at + 2] == b"\xff\xff" and at - start < 64:  # fill bytes
        at += 1
    if len(content) < at + 4:
        raise InputError("is no readable PNG or JPEG (cut off in its headers); copy it again")
    marker = content[at + 1]
    length = int.from_bytes(content[at + 2 : at + 4], "big")
    if content[at] != 0xFF or marker in _BARE or marker == 0 or length < 2:
        raise InputError("is no readable PNG or JPEG (damaged JPEG headers); check the file")
    if len(content) < at + 2 + length:
        raise InputError("is no readable PNG or JPEG (cut off in its headers); copy it again")
    return marker, content[start:at] + content[at : at + 2 + length]


def _finish(content: bytes, kept: list[bytes], at: int, frame: _Frame | None, turned: int) -> CheckedJPEG:
    if frame is None:
        raise InputError("is no readable PNG or JPEG (no JPEG frame header); check the file")
    end = content.rfind(b"\xff\xd9")
    if end < at:
        raise InputError("is no readable PNG or JPEG (cut off before the end of the image); copy it again")
    # In coded pixels FF is always followed by 00 or a restart, so this counts scans and nothing else.
    scans = 1 + content.count(b"\xff\xda", at)
    if scans > _MOST_SCANS:
        raise InputError(f"has {scans} JPEG scans; at most {_MOST_SCANS} are decoded")
    # A Huffman code has a bit at least. With fewer, the decoder would fill the rest with flat grey.
    blocks = -(-frame.width // 8) * -(-frame.height // 8)
    if (end - at) * 8 < blocks:
        raise InputError("is no readable PNG or JPEG (its coded pixels are too few); copy it again")
    return CheckedJPEG(
        content=b"".join(kept) + content[at:],
        orientation=turned,
        width=frame.width,
        height=frame.height,
        components=frame.components,
    )
