"""DICOM files made for tests; every one of them names a patient who must never be seen again."""

from io import BytesIO

import numpy as np
from PIL import Image

PATIENT = "SECRETNAME^JANE"
IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
BIG, RLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
JPEG, J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"


def dicom(
    words_HW: np.ndarray,
    *,
    syntax: str = EXPLICIT,
    stored: int | None = None,
    frame: bytes | None = None,
    without: tuple[str, ...] = (),
    **elements: object,
) -> bytes:
    """A grey DICOM file holding an integer array (H, W), or one compressed frame of it.

    `elements` are set last, by keyword (WindowCenter=...), so that they can contradict the rest.
    """
    from pydicom import dcmwrite
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.PatientName = PATIENT
    data.PatientID = PATIENT
    bits = 8 * words_HW.dtype.itemsize
    data.Rows, data.Columns = words_HW.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored = bits, stored or bits
    data.HighBit, data.PixelRepresentation = (stored or bits) - 1, int(words_HW.dtype.kind == "i")
    order = ">" if syntax == BIG else "<"
    data.PixelData = words_HW.astype(words_HW.dtype.newbyteorder(order)).tobytes()
    data["PixelData"].VR = "OW" if bits == 16 else "OB"
    if frame is not None:
        data.PixelData = encapsulate([frame])
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
    for keyword in without:
        delattr(data, keyword)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    buffer = BytesIO()
    dcmwrite(
        buffer,
        data,
        # pydicom writes another order only where it is forced to.
        **(
            {"implicit_vr": False, "little_endian": False, "force_encoding": True}
            if syntax == BIG
            else {"enforce_file_format": True}
        ),
    )
    return buffer.getvalue()


def lut(first: int, bits: int, entries: list[int]) -> object:
    """A sequence of one look-up table."""
    return luts((first, bits, entries))


def luts(*tables: tuple[int, int, list[int]]) -> object:
    """A sequence of look-up tables, each (first value, bits of an entry, entries)."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    items = []
    for first, bits, entries in tables:
        item = Dataset()
        item.add_new(0x00283002, "US" if first >= 0 else "SS", [len(entries) & 0xFFFF, first, bits])
        item.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
        items.append(item)
    return Sequence(items)


def compressed(array_HW: np.ndarray, kind: str, **options: object) -> bytes:
    """An array as one JPEG or JPEG 2000 codestream, written by Pillow."""
    buffer = BytesIO()
    extra = {"no_jp2": True} if kind == "JPEG2000" else {}
    Image.fromarray(array_HW).save(buffer, format=kind, **extra, **options)
    return buffer.getvalue()


def run_lengths(words_HW: np.ndarray) -> bytes:
    """DICOM's RLE of an array: a header of segment starts, then PackBits, the high bytes first."""
    width = words_HW.dtype.itemsize
    planes = words_HW.astype(f">u{width}").reshape(-1).view(np.uint8).reshape(-1, width)
    segments = [_packbits(planes[:, i].tobytes()) for i in range(width)]
    starts = [64]
    for segment in segments[:-1]:
        starts.append(starts[-1] + len(segment))
    table = [width, *starts, *[0] * (15 - width)]
    return np.array(table, "<u4").tobytes() + b"".join(segments)


def _packbits(plain: bytes) -> bytes:
    packed, at = bytearray(), 0
    while at < len(plain):
        run = 1
        while run < 128 and plain[at : at + run + 1] == plain[at : at + 1] * (run + 1):
            run += 1
        packed += bytes([257 - run, plain[at]]) if run > 1 else bytes([0, plain[at]])
        at += run
    return bytes(packed) + b"\0" * (len(packed) % 2)
