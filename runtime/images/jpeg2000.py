"""A JPEG 2000 codestream's headers, checked before OpenJPEG reserves memory by them (ITU-T T.800 annex A)."""

from dataclasses import dataclass
from typing import NoReturn

from ..errors import InputError

_SOC, _SIZ, _COD, _COC = 0xFF4F, 0xFF51, 0xFF52, 0xFF53
_POC, _SOT, _SOD, _EOC = 0xFF5F, 0xFF90, 0xFF93, 0xFFD9

# OpenJPEG keeps a few hundred bytes for each code block and precinct, whether or not anything is coded there.
_MOST_BLOCKS = 400_000
_MOST_TILES = 4096
_MOST_LAYERS = 256
_MOST_TILE_PARTS = 20_000
_MOST_SEGMENTS = 1000


@dataclass(frozen=True, kw_only=True)
class Codestream:
    """The one component of a codestream, as its SIZ segment describes it."""

    width: int
    height: int
    precision: int
    """Bits a sample, 1..16."""
    signed: bool


def check_codestream(content: bytes) -> Codestream:
    """Check the headers of a JPEG 2000 codestream of one component.

    Raises:
        InputError: damaged, cut off, of several components, of more than 16 bits, or cut into more tiles,
            precincts, code blocks or layers than any image needs; the file's name is left to the caller.
    """
    if content[:2] != _SOC.to_bytes(2, "big"):
        _damaged()
    stream, tiles, at, coded = None, 0, 2, False
    for _ in range(_MOST_SEGMENTS):
        if (marker := _word(content, at)) == _SOT:
            break
        body = content[at + 4 : at + 2 + _word(content, at + 2)]
        if marker == _SIZ and stream is None:
            stream, tiles = _size(body)
        elif marker in (_SIZ, _COC, _POC, _SOD, _EOC) or stream is None or (marker == _COD and coded):
            _damaged()
        elif marker == _COD:
            _check_style(body, stream, tiles)
            coded = True
        at += 2 + _word(content, at + 2)
    if stream is None or not coded or _word(content, at) != _SOT:
        _damaged()
    _check_tile_parts(content, at)
    return stream


def _size(body: bytes) -> tuple[Codestream, int]:
    if len(body) < 39:
        _damaged()
    right, bottom, left, top, wide, high, tile_left, tile_top = (
        int.from_bytes(body[i : i + 4], "big") for i in range(2, 34, 4)
    )
    if int.from_bytes(body[34:36], "big") != 1 or body[37:39] != b"\1\1":
        raise InputError("is a JPEG 2000 of several components; one grey component is read")
    precision = (body[36] & 0x7F) + 1
    if precision > 16:
        raise InputError(f"is a JPEG 2000 of {precision} bits a sample; at most 16 are read")
    if not (left < right and top < bottom and wide and high and tile_left <= left and tile_top <= top):
        _damaged()
    tiles = -(-(right - tile_left) // wide) * -(-(bottom - tile_top) // high)
    if tiles > _MOST_TILES:
        raise InputError(f"is a JPEG 2000 of {tiles} tiles; at most {_MOST_TILES} are decoded")
    signed = bool(body[36] & 0x80)
    return Codestream(width=right - left, height=bottom - top, precision=precision, signed=signed), tiles


def _check_style(body: bytes, stream: Codestream, tiles: int) -> None:
    if len(body) < 10:
        _damaged()
    layers, levels = int.from_bytes(body[2:4], "big"), body[5]
    if levels > 32 or layers > _MOST_LAYERS or len(body) < 10 + (levels + 1) * (body[0] & 1):
        raise InputError("is a JPEG 2000 with more layers or levels than are read; convert it again")
    pixels = stream.width * stream.height
    blocks = pixels >> ((body[6] & 15) + (body[7] & 15) + 4)
    for level in range(levels + 1):
        size = body[10 + level] if body[0] & 1 else 0xFF
        reduced = levels - level
        across = 1 + (stream.width >> min(reduced + (size & 15), 63))
        down = 1 + (stream.height >> min(reduced + (size >> 4), 63))
        blocks += across * down
    if blocks + tiles * (levels + 1) > _MOST_BLOCKS:
        raise InputError(f"is a JPEG 2000 of more than {_MOST_BLOCKS} precincts and blocks; convert it again")


def _check_tile_parts(content: bytes, at: int) -> None:
    """Every tile part is whole, and none brings a coding style of its own."""
    for _ in range(_MOST_TILE_PARTS):
        if _word(content, at) == _EOC:
            return
        length = int.from_bytes(content[at + 6 : at + 10], "big") or len(content) - 2 - at
        end, inner = at + length, at + 12
        if _word(content, at) != _SOT or length < 14:
            _damaged()
        while (marker := _word(content, inner)) != _SOD:
            if marker in (_COD, _COC, _POC) or inner > end:
                raise InputError("is a JPEG 2000 with a coding style for each tile; convert it again")
            inner += 2 + max(_word(content, inner + 2), 2)
        at = end if content[at + 6 : at + 10] != b"\0\0\0\0" else content.rfind(b"\xff\xd9")
    _damaged()


def _word(content: bytes, at: int) -> int:
    if at < 0 or at + 2 > len(content):
        _damaged()
    return int.from_bytes(content[at : at + 2], "big")


def _damaged() -> NoReturn:
    raise InputError("is a JPEG 2000 that is damaged or cut off; copy it again")
