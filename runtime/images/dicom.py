"""DICOM images to 8-bit grey, as their own window asks; refused by name where that would be a guess."""

import struct

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..requires import need
from .decoded import Decoded, look_up, words_present
from .dicom_elements import PIXEL_DATA, read_elements
from .dicom_grey import Lut, Rescale, Window, stretch, to_grey
from .dicom_header import Header, read_header
from .dicom_pixel_data import Frame, read_frame, syntax_name

# What pydicom and Pillow were seen to raise on damaged files. Their texts may repeat what the file holds, so
# they are neither shown nor chained: what reaches a caller is written here, word by word.
_READER_ERRORS = (
    Warning,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    NotImplementedError,
    RecursionError,
    ArithmeticError,
    LookupError,
    MemoryError,
    EOFError,
    struct.error,
)


def decode_dicom(content: bytes, name: str) -> Decoded:
    """Decode a single-frame grey DICOM file (PS3.10) to 8-bit grey.

    Stored values go through the modality transformation (the first modality LUT, or rescale slope and
    intercept), then the VOI transformation: the first VOI LUT, or else the first window (LINEAR,
    LINEAR_EXACT or SIGMOID), or else the image's own lowest value is black and its highest white. Black
    to white becomes 0 to 255, rounded, and MONOCHROME1 is inverted.

    Args:
        content: the file's bytes.
        name: what messages call it.

    Returns:
        uint8 (H, W), with notes: format, transfer_syntax, photometric, stored, modality, window.

    Raises:
        InputError: damaged, or of a kind that is refused: several frames, colour, a transfer syntax that
            is not read, no pixels, beyond the caps. No message holds anything that names a patient.
        DependencyError: the extra `dicom` is not installed.
    """
    need("pydicom", extra="dicom")
    from pydicom.errors import BytesLengthException

    try:
        return _decode(content)
    except InputError as error:
        raise InputError(f"{name} {error}") from None
    except (*_READER_ERRORS, BytesLengthException) as error:
        raise InputError(
            f"{name} is a DICOM file that cannot be read ({type(error).__name__}); check the file"
        ) from None


def _decode(content: bytes) -> Decoded:
    elements = read_elements(content)
    header = read_header(elements)
    if elements.pixels is None and elements.frame is None:
        raise InputError(f"is a DICOM without pixel data ({PIXEL_DATA:08X}); give an image")
    frame = read_frame(elements, header)
    # A value too large to hold is refused once, by what becomes of it, and not in a warning on the way.
    with np.errstate(all="ignore"):
        table_V, window = _table(frame, header)
    return Decoded(
        image_HW=look_up(frame.words_HW, table_V),
        notes={
            "format": "DICOM",
            "transfer_syntax": syntax_name(elements.transfer_syntax),
            "photometric": header.photometric + (", inverted" if _inverted(header) else ""),
            "stored": f"{header.bits_stored} of {header.bits_allocated} bits, "
            + ("signed" if header.signed else "unsigned"),
            "modality": _describe_modality(header.modality),
            "window": window,
        },
    )


def _table(frame: Frame, header: Header) -> tuple[NDArray[np.uint8], str]:
    """The grey value of every word, and how it was chosen."""
    values_V = header.modality.apply(frame.values_V.astype(np.float64))
    if not np.isfinite(values_V).all():
        raise InputError("has a DICOM rescale slope or intercept that no value survives")
    if header.voi is not None:
        return to_grey(header.voi.shade(values_V), inverted=_inverted(header)), _describe_voi(header)
    held = values_V[words_present(frame.words_HW)]
    lowest, highest = float(held.min()), float(held.max())
    brightness_V = stretch(values_V, lowest, highest)
    return to_grey(brightness_V, inverted=_inverted(header)), f"none; the image's {lowest:g}..{highest:g}"


def _inverted(header: Header) -> bool:
    return header.photometric == "MONOCHROME1"


def _describe_modality(modality: Rescale | Lut) -> str:
    if isinstance(modality, Rescale):
        return f"slope {modality.slope:g}, intercept {modality.intercept:g}"
    return f"look-up table of {len(modality.entries)} entries, {modality.bits} bits"


def _describe_voi(header: Header) -> str:
    if isinstance(header.voi, Window):
        kind = f"{header.voi.function}, centre {header.voi.centre:g}, width {header.voi.width:g}"
    elif header.voi is not None:
        kind = f"look-up table of {len(header.voi.entries)} entries, {header.voi.bits} bits"
    else:
        kind = "none"
    return f"{kind}; the first of {header.offered}"
