"""The header of a single-frame grey DICOM image, checked for what can be shown without guessing."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import InputError
from .decoded import MAX_PIXELS
from .dicom_elements import Elements
from .dicom_grey import LINEAR, Lut, Rescale, Window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_Made = TypeVar("_Made", Rescale, Lut, Window)

_COLOURS = frozenset(
    ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
)


@dataclass(frozen=True, kw_only=True)
class Header:
    """The image pixel, modality LUT and VOI LUT modules of one grey image (PS3.3 C.7.6.3, C.11)."""

    rows: int
    columns: int
    bits_allocated: int
    """8 or 16."""
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    """MONOCHROME1 (low values are white) or MONOCHROME2."""
    modality: Rescale | Lut
    voi: Window | Lut | None
    """The first that the file offers; None where it offers none."""
    offered: int
    """How many windows, or look-up tables, the file offers."""


def read_header(elements: Elements) -> Header:
    """Read the wanted elements with pydicom and check them.

    Raises:
        InputError: a value is missing, impossible, or of a kind that is refused: colour, several frames,
            sizes beyond the caps; the file's name is left to the caller.
    """
    from pydicom.filereader import read_dataset

    dataset = read_dataset(BytesIO(elements.header), elements.implicit, elements.little)
    frames = _integer(dataset, "NumberOfFrames", 1)
    if frames != 1:
        raise InputError(f"holds {frames} DICOM frames; give one single-frame image a file")
    photometric = _photometric(dataset)
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if rows < 1 or columns < 1 or rows * columns > MAX_PIXELS:
        raise InputError(f"has {columns} x {rows} pixels; 1 to {MAX_PIXELS} are decoded")
    allocated, stored = _integer(dataset, "BitsAllocated"), _integer(dataset, "BitsStored")
    high, sign = _integer(dataset, "HighBit", stored - 1), _integer(dataset, "PixelRepresentation", 0)
    if allocated not in (8, 16):
        raise InputError(f"has {allocated} bits a pixel allocated; 8 and 16 are read")
    if not 1 <= stored <= high + 1 <= allocated or sign not in (0, 1):
        raise InputError("has a DICOM header that contradicts itself in bits stored, high bit or sign")
    voi, offered = _voi(dataset, elements.little)
    return Header(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=sign == 1,
        photometric=photometric,
        modality=_modality(dataset, elements.little),
        voi=voi,
        offered=offered,
    )


def _photometric(dataset: "Dataset") -> str:
    photometric = _text(dataset, "PhotometricInterpretation")
    samples = _integer(dataset, "SamplesPerPixel", 1)
    if photometric in _COLOURS or samples != 1:
        kind = photometric if photometric in _COLOURS else f"{samples} samples a pixel"
        raise InputError(f"is a colour DICOM ({kind}); grey ones are read (MONOCHROME1, MONOCHROME2)")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        # The value is not repeated: in a damaged file it could be anybody's name.
        raise InputError("has no photometric interpretation that is read (MONOCHROME1, MONOCHROME2)")
    return photometric


def _modality(dataset: "Dataset", little: bool) -> Rescale | Lut:
    luts = _present(dataset, "ModalityLUTSequence")
    if luts:
        return _lut(luts[0], little)
    slope, intercept = _numbers(dataset, "RescaleSlope"), _numbers(dataset, "RescaleIntercept")
    return _checked(Rescale, slope=slope[0] if slope else 1.0, intercept=intercept[0] if intercept else 0.0)


def _voi(dataset: "Dataset", little: bool) -> tuple[Window | Lut | None, int]:
    luts = _present(dataset, "VOILUTSequence")
    if luts:
        return _lut(luts[0], little), len(luts)
    centres, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
    if len(centres) != len(widths):
        raise InputError(f"has {len(centres)} window centres and {len(widths)} widths; they must pair")
    if not centres:
        return None, 0
    function = _text(dataset, "VOILUTFunction") or LINEAR
    return _checked(Window, centre=centres[0], width=widths[0], function=function), len(centres)


def _lut(item: "Dataset", little: bool) -> Lut:
    if "LUTDescriptor" not in item or "LUTData" not in item:
        raise InputError("has a DICOM look-up table without entries; convert it again")
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    # In an image of signed pixels the descriptor may be read as signed; a count of 0 stands for 65,536.
    count = count & 0xFFFF or 65536
    data = item.LUTData
    if isinstance(data, bytes):
        # Entries of 8 bits may be packed, two in a word.
        wide = "u1" if len(data) == count + (count & 1) and bits <= 8 else "<u2" if little else ">u2"
        entries = np.frombuffer(data, dtype=wide)
    else:
        # Unsigned whatever the sign of the pixels was taken to mean for them.
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    if not count <= len(entries) <= count + 1:
        raise InputError(f"has a look-up table of {len(entries)} entries whose header says {count}")
    return _checked(Lut, first=first, bits=bits & 0xFFFF, entries=entries[:count].astype(np.uint16))


def _checked(kind: type[_Made], **settings: Any) -> _Made:
    try:
        return kind(**settings)
    except ValueError as error:
        raise InputError(f"has a DICOM header that cannot be followed: {error}") from None


def _present(dataset: "Dataset", keyword: str) -> Any:
    """An element's value, None where it is absent or empty."""
    value = dataset.get(keyword)
    return None if value is None or value == "" or (hasattr(value, "__len__") and not len(value)) else value


def _integer(dataset: "Dataset", keyword: str, absent: int | None = None) -> int:
    value = _present(dataset, keyword)
    if value is None and absent is not None:
        return absent
    if not isinstance(value, int):
        raise InputError(f"has a DICOM header without one whole number for {keyword}; convert it again")
    return int(value)


def _numbers(dataset: "Dataset", keyword: str) -> list[float]:
    value = _present(dataset, keyword)
    if value is None:
        return []
    return [float(part) for part in ([value] if isinstance(value, str | float | int) else value)]


def _text(dataset: "Dataset", keyword: str) -> str:
    value = _present(dataset, keyword)
    return value.strip() if isinstance(value, str) else ""
