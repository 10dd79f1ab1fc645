"""The one frame of a DICOM image as words, and what value each word stands for (PS3.5 8 and annex G).

Shapes: H rows, W columns; V words, 256 or 65,536.
"""

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .dicom_elements import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, Elements
from .dicom_header import Header
from .jpeg import check_jpeg
from .jpeg2000 import check_codestream

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_RLE = "1.2.840.10008.1.2.5"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Pixels as they are coded, and the stored value of every code."""

    words_HW: NDArray[np.uint8] | NDArray[np.uint16]
    values_V: NDArray[np.int32]
    """The stored value of each word."""


def read_frame(elements: Elements, header: Header) -> Frame:
    """Decompress the frame of a DICOM image.

    Raises:
        InputError: the transfer syntax is not read, or the pixels are missing, damaged or of another size
            than the header says; the file's name is left to the caller.
    """
    syntax = elements.transfer_syntax
    if syntax in _NATIVE:
        return _native(elements, header)
    if syntax not in (*_JPEG, *_JPEG2000, _RLE):
        raise InputError(
            f"has the DICOM transfer syntax {syntax_name(syntax)}, which is not read; "
            "native, RLE, baseline JPEG and JPEG 2000 are: convert it"
        )
    if elements.frame is None:
        raise InputError("has no compressed DICOM pixel data where its transfer syntax promises some")
    if syntax == _RLE:
        return _stored(_run_lengths(elements.frame, header), header)
    if syntax in _JPEG:
        return _jpeg(elements.frame, header)
    return _jpeg2000(elements.frame, header)


def syntax_name(uid: str) -> str:
    """A transfer syntax by its name in the standard, with its UID where it has none."""
    from pydicom.uid import UID

    name = str(UID(uid).name)
    return name if name != uid else f"{uid} (in no standard)"


def _native(elements: Elements, header: Header) -> Frame:
    if elements.pixels is None:
        raise InputError("has no DICOM pixel data that its transfer syntax can read")
    pixels = header.rows * header.columns
    needed, held = pixels * header.bits_allocated // 8, len(elements.pixels)
    if held not in (needed, needed + needed % 2):
        raise InputError(f"holds {held} bytes of DICOM pixel data where its size needs {needed}")
    if header.bits_allocated == 16:
        words = np.frombuffer(elements.pixels, dtype="<u2" if elements.little else ">u2", count=pixels)
    else:
        words = np.frombuffer(elements.pixels, dtype=np.uint8)
        if not elements.little and elements.pixels_vr == b"OW":
            # Two pixels to a word, and the word's bytes the other way round.
            words = words[: held - held % 2].reshape(-1, 2)[:, ::-1].ravel()
        words = words[:pixels]
    return _stored(words.reshape(header.rows, header.columns), header)


def _stored(words_HW: NDArray[np.uint8] | NDArray[np.uint16], header: Header) -> Frame:
    words_V = np.arange(1 << header.bits_allocated, dtype=np.int32)
    # Bits outside those stored may hold overlays, and are no part of the value.
    bits_V = words_V >> (header.high_bit + 1 - header.bits_stored)
    return Frame(words_HW=words_HW, values_V=_signed(bits_V, header))


def _signed(bits_V: NDArray[np.int32], header: Header) -> NDArray[np.int32]:
    span = 1 << header.bits_stored
    values_V = bits_V & (span - 1)
    return np.where(values_V >= span // 2, values_V - span, values_V) if header.signed else values_V


def _run_lengths(frame: bytes, header: Header) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Undo DICOM's RLE: one PackBits segment for each byte of a word, the high bytes first."""
    segments, pixels = header.bits_allocated // 8, header.rows * header.columns
    table = np.frombuffer(frame[:64].ljust(64, b"\0"), dtype="<u4").tolist()
    starts = [*table[1 : segments + 1], len(frame)]
    if table[0] != segments or starts[0] < 64 or starts != sorted(starts) or len(frame) < 64:
        raise InputError("holds DICOM RLE segments that do not fit its header")
    planes = []
    for start, end in pairwise(starts):
        plane = _unpacked(frame[start:end], pixels)
        # One pixel more must be too many, or the header speaks of a smaller image than is coded.
        if plane is None or _unpacked(frame[start:end], pixels + 1) is not None:
            raise InputError(
                "holds DICOM RLE segments that do not fit its size, or are cut off; copy it again"
            )
        planes.append(plane.reshape(header.rows, header.columns))
    if segments == 1:
        return planes[0]
    words_HW = planes[0].astype(np.uint16)
    words_HW <<= 8
    words_HW |= planes[1]
    return words_HW


def _unpacked(segment: bytes, pixels: int) -> NDArray[np.uint8] | None:
    """PackBits undone; None where it holds fewer than `pixels`, or a run goes beyond them."""
    from PIL import Image

    try:
        # As one row: Pillow's decoder would not let a run cross from row to row, this RLE does.
        return np.asarray(Image.frombytes("L", (pixels, 1), segment, "packbits", "L")).reshape(-1)
    except ValueError:
        return None


def _jpeg(frame: bytes, header: Header) -> Frame:
    if header.bits_stored != 8:
        raise InputError(f"is a DICOM with a JPEG of {header.bits_stored} bits; 8 are read")
    checked = check_jpeg(frame)
    _check_size(checked.width, checked.height, header)
    words_HW = _with_pillow(checked.content, "JPEG", header)
    return Frame(words_HW=words_HW, values_V=_signed(np.arange(256, dtype=np.int32), header))


def _jpeg2000(frame: bytes, header: Header) -> Frame:
    stream = check_codestream(frame)
    _check_size(stream.width, stream.height, header)
    if not header.bits_stored <= stream.precision <= header.bits_allocated:
        raise InputError(f"is a DICOM of {header.bits_stored} bits with a JPEG 2000 of {stream.precision}")
    words_HW = _with_pillow(frame, "JPEG2000", header)
    container = 8 * words_HW.dtype.itemsize
    # Pillow moves samples to the top of its word, and signed ones up by half their range.
    values_V = np.arange(1 << container, dtype=np.int32) >> (container - stream.precision)
    if stream.signed:
        values_V -= 1 << (stream.precision - 1)
    if stream.signed != header.signed:
        values_V = _signed(values_V, header)
    return Frame(words_HW=words_HW, values_V=values_V)


def _with_pillow(content: bytes, kind: str, header: Header) -> NDArray[np.uint8] | NDArray[np.uint16]:
    from PIL import Image

    with Image.open(BytesIO(content), formats=(kind,)) as picture:
        _check_size(*picture.size, header)
        if picture.mode not in ("L", "I;16"):
            raise InputError("is a DICOM with compressed pixels in colour; grey ones are read")
        try:
            picture.load()
        except OSError:
            raise InputError(f"is a DICOM whose {kind} pixels are damaged; copy it again") from None
        pixels_HW = np.asarray(picture)
        return pixels_HW if picture.mode == "L" else pixels_HW.astype(np.uint16, copy=False)


def _check_size(width: int, height: int, header: Header) -> None:
    if (width, height) != (header.columns, header.rows):
        raise InputError(
            f"is a DICOM of {header.columns} x {header.rows} pixels "
            f"whose compressed image has {width} x {height}"
        )
