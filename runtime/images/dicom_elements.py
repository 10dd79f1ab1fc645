"""The elements of a DICOM file that decide its pixels, cut out without reading any other (PS3.5, 7 and 10).

Names, dates and comments are skipped by their length: they reach no other code, so no message, warning or log
can hold them. The walk is bounded in elements and in nesting, which pydicom's own is not.
"""

import re
import zlib
from dataclasses import dataclass
from typing import NoReturn

from ..errors import InputError
from .decoded import MAX_FILE_BYTES

PIXEL_DATA = 0x7FE00010
TRANSFER_SYNTAX = 0x00020010
FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
NUMBER_OF_FRAMES, MODALITY_LUTS, VOI_LUTS = 0x00280008, 0x00283000, 0x00283010
_US, _DECIMALS = (b"US",), frozenset(b"0123456789+-.eE\\ \0")
_CODES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_\\ \0")
# Each wanted element with its value representations and the characters its text may have. pydicom repeats
# values that it finds odd in its log; with these checked first it meets none.
_WANTED: dict[int, tuple[tuple[bytes, ...], frozenset[int] | None]] = {
    0x00280002: (_US, None),  # samples per pixel
    0x00280004: ((b"CS",), _CODES),  # photometric interpretation
    NUMBER_OF_FRAMES: ((b"IS",), _DECIMALS),
    **dict.fromkeys((0x00280010, 0x00280011), (_US, None)),  # rows, columns
    **dict.fromkeys((0x00280100, 0x00280101, 0x00280102, 0x00280103), (_US, None)),  # bits and sign
    **dict.fromkeys((0x00281050, 0x00281051), ((b"DS",), _DECIMALS)),  # window centre and width
    **dict.fromkeys((0x00281052, 0x00281053), ((b"DS",), _DECIMALS)),  # rescale intercept and slope
    0x00281056: ((b"CS",), _CODES),  # VOI LUT function
    **dict.fromkeys((MODALITY_LUTS, VOI_LUTS), ((b"SQ",), None)),
}
_LUT_VRS = (b"US", b"SS", b"OW", b"LO", b"")

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_UID = re.compile(rb"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_MOST_ELEMENTS = 50_000
_MOST_NESTING = 16
_MOST_HEADER_BYTES = 1 << 20
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())


@dataclass(frozen=True, kw_only=True)
class Elements:
    """The parts of a DICOM file that decide its pixels."""

    transfer_syntax: str
    """Its UID."""
    header: bytes
    """The wanted elements, as they stand in the file, in its encoding."""
    implicit: bool
    """Whether the header states no value representations."""
    little: bool
    """Whether words have their low byte first."""
    pixels: memoryview | None
    """The bytes of Pixel Data, without a copy; None where there are none."""
    pixels_vr: bytes
    """b"OB", b"OW", or b"" where the encoding states none."""
    frame: bytes | None
    """The one compressed frame, where Pixel Data is encapsulated."""


def read_elements(content: bytes) -> Elements:
    """Cut the wanted elements out of a DICOM file (PS3.10).

    Raises:
        InputError: damaged, cut off, nested too deep, too large when inflated, or multi-frame by its
            functional groups; the file's name is left to the caller.
    """
    meta = _Walk(content, 132, implicit=False, little=True)
    syntax = meta.transfer_syntax()
    if syntax == DEFLATED:
        content, start = _inflate(content[meta.at :]), 0
    else:
        start = meta.at
    implicit, little = syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG
    walk = _Walk(content, start, implicit=implicit, little=little)
    header = walk.wanted()
    found = walk.pixels
    encapsulated = found is not None and found.length == _UNDEFINED
    return Elements(
        transfer_syntax=syntax,
        header=header,
        implicit=implicit,
        little=little,
        pixels=None if found is None or encapsulated else memoryview(content)[found.value : found.end],
        pixels_vr=b"" if found is None else found.vr,
        frame=walk.encapsulated_frame() if encapsulated else None,
    )


@dataclass(frozen=True)
class _Element:
    tag: int
    vr: bytes
    start: int
    value: int
    length: int

    @property
    def end(self) -> int:
        return self.value + self.length


class _Walk:
    """A place in a data set, and the element it stands at."""

    def __init__(self, content: bytes, at: int, *, implicit: bool, little: bool) -> None:
        self.content, self.at = content, at
        self.implicit, self.order = implicit, "little" if little else "big"
        self.pixels: _Element | None = None
        self._elements = 0

    def transfer_syntax(self) -> str:
        """Walk the file meta group, which is explicit little endian always; stand behind it."""
        syntax = b""
        while self.content[self.at : self.at + 2] == b"\x02\x00":
            element = self._next(self.implicit)
            if element.length == _UNDEFINED:
                _damaged("a file meta element without a length")
            if element.tag == TRANSFER_SYNTAX:
                syntax = self.content[element.value : element.end].rstrip(b"\0 ")
            self.at = element.end
        # Only what is a UID is repeated in messages: anything else could be anything, a name too.
        if len(syntax) > 64 or not _UID.fullmatch(syntax):
            raise InputError("is a DICOM file without a valid transfer syntax; convert it again")
        return syntax.decode("ascii")

    def wanted(self) -> bytes:
        """Walk the data set up to its pixels; the wanted elements, as they stand."""
        kept: dict[int, bytes] = {}
        while self.at < len(self.content):
            element = self._next(self.implicit)
            if element.tag == PIXEL_DATA:
                self.pixels = element
                break
            if element.tag in FUNCTIONAL_GROUPS:
                raise InputError("is an enhanced multi-frame DICOM; give one single-frame image a file")
            if element.tag >> 16 == 0xFFFE:
                _damaged("a stray delimiter")
            wanted = element.tag in _WANTED
            if wanted:
                self._check(element, kept)
            is_lut = element.tag in (MODALITY_LUTS, VOI_LUTS)
            if element.length == _UNDEFINED or is_lut:
                end = None if element.length == _UNDEFINED else element.end
                explicit = element.vr != b"UN" and not self.implicit
                self._skip_items(end, explicit, 1, is_lut=is_lut)
            else:
                self.at = element.end
            if not wanted:
                continue
            if self.at - element.start > _MOST_HEADER_BYTES:
                _damaged("a header element too long to be one")
            kept[element.tag] = self.content[element.start : self.at]
        return b"".join(kept.values())

    def encapsulated_frame(self) -> bytes:
        """The fragments of Pixel Data behind its offset table, joined: one frame (PS3.5 A.4)."""
        fragments = []
        while (element := self._next(True)).tag == _ITEM:
            if element.length == _UNDEFINED:
                _damaged("a pixel fragment without a length")
            fragments.append(self.content[element.value : element.end])
            self.at = element.end
        if element.tag != _SEQUENCE_END:
            _damaged("pixel fragments without an end")
        return b"".join(fragments[1:])

    def _check(self, element: _Element, kept: dict[int, bytes]) -> None:
        vrs, characters = _WANTED[element.tag]
        if element.tag in kept:
            _damaged("an element that stands twice")
        if element.vr and element.vr not in vrs:
            _damaged("an element of another kind than its tag's")
        if vrs == _US and element.length != 2:
            _damaged("a whole number of another length than two bytes")
        text = self.content[element.value : element.end] if element.length != _UNDEFINED else b"?"
        if characters is not None and set(text) - characters:
            _damaged("a number or code with characters that it cannot have")

    def _next(self, implicit: bool) -> _Element:
        start, at = self.at, self.at + 8
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise InputError(f"is a DICOM file of more than {_MOST_ELEMENTS} elements; refused")
        tag = self._number(start, 2) << 16 | self._number(start + 2, 2)
        vr = b"" if implicit or tag >> 16 == 0xFFFE else self.content[start + 4 : start + 6]
        if vr in _LONG_VRS:
            length, at = self._number(start + 8, 4), at + 4
        elif vr:
            if vr not in _SHORT_VRS:
                _damaged("a value representation that no standard knows")
            length = self._number(start + 6, 2)
        else:
            length = self._number(start + 4, 4)
        if at > len(self.content) or (length != _UNDEFINED and at + length > len(self.content)):
            raise InputError("is a DICOM file that is cut off; copy it again")
        self.at = at
        return _Element(tag, vr, start, at, length)

    def _skip_items(self, end: int | None, explicit: bool, depth: int, *, is_lut: bool = False) -> None:
        """Walk the items of a sequence, up to `end` or to its own delimiter; a LUT's have nothing else."""
        if depth > _MOST_NESTING:
            raise InputError(f"is a DICOM file nested deeper than {_MOST_NESTING} sequences; refused")
        while end is None or self.at < end:
            item = self._next(True)
            if item.tag == _SEQUENCE_END and end is None:
                return
            if item.tag != _ITEM:
                _damaged("a sequence with something else than items")
            self._skip_item(None if item.length == _UNDEFINED else item.end, explicit, depth, is_lut)

    def _skip_item(self, end: int | None, explicit: bool, depth: int, is_lut: bool) -> None:
        while end is None or self.at < end:
            element = self._next(not explicit)
            if element.tag == _ITEM_END and end is None:
                return
            if element.tag >> 16 == 0xFFFE:
                _damaged("an item with a stray delimiter")
            if is_lut and (element.tag >> 16 != 0x0028 or element.vr not in _LUT_VRS):
                _damaged("a look-up table with something else inside")
            if element.length == _UNDEFINED or element.vr == b"SQ":
                inner = None if element.length == _UNDEFINED else element.end
                self._skip_items(inner, explicit and element.vr != b"UN", depth + 1)
                continue
            self.at = element.end

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self.content[at : at + size], self.order)  # type: ignore[arg-type]


def _inflate(deflated: bytes) -> bytes:
    try:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = stream.decompress(deflated, MAX_FILE_BYTES)
    except zlib.error:
        raise InputError("is a deflated DICOM file that is damaged; copy it again") from None
    if stream.unconsumed_tail:
        raise InputError(f"is a deflated DICOM file that unfolds beyond {MAX_FILE_BYTES} bytes; refused")
    if not stream.eof:
        raise InputError("is a deflated DICOM file that is cut off; copy it again")
    return inflated


def _damaged(what: str) -> NoReturn:
    raise InputError(f"is a DICOM file that is damaged ({what}); copy it again")
