"""DICOM files with damaged and hostile compressed pixels; each names a patient."""

import struct

import numpy as np
from PIL import Image

from .dicom_files import J2K_LOSSLESS, JPEG, RLE, compressed, dicom, run_lengths
from .malformed_images import GREY, SIDE, Made, kind
from .malformed_jpeg import jpeg, resized


@kind
def dicom_compressed_to_nothing() -> Made:
    return dicom(GREY, syntax=JPEG, frame=b"\0\0"), None


@kind
def dicom_compressed_that_is_not() -> Made:
    return dicom(GREY).replace(b"1.2.840.10008.1.2.1\0", JPEG[:20].encode()), None


@kind
def dicom_of_fragments_without_an_end() -> Made:
    return dicom(GREY, syntax=JPEG, frame=compressed(GREY, "JPEG"))[:-8], None


@kind
def dicom_of_a_jpeg_of_another_size() -> Made:
    return dicom(GREY, syntax=JPEG, frame=compressed(np.zeros((64, 64), np.uint8), "JPEG")), None


@kind
def dicom_of_a_jpeg_of_many_pixels() -> Made:
    frame = resized(jpeg(), SIDE, SIDE)
    return dicom(GREY, syntax=JPEG, frame=frame, Rows=SIDE, Columns=SIDE), None


@kind
def dicom_of_a_jpeg_in_colour() -> Made:
    return dicom(GREY, syntax=JPEG, frame=jpeg(Image.new("RGB", (8, 6)))), None


@kind
def dicom_of_a_png() -> Made:
    return dicom(GREY, syntax=JPEG, frame=compressed(GREY, "PNG")), None


@kind
def dicom_of_run_lengths_cut_short() -> Made:
    return dicom(GREY, syntax=RLE, frame=run_lengths(GREY)[:-30]), None


@kind
def dicom_of_run_lengths_of_fifteen_segments() -> Made:
    frame = np.array([15, *range(64, 124, 4)], "<u4").tobytes() + b"\0" * 100
    return dicom(GREY, syntax=RLE, frame=frame), None


@kind
def dicom_of_run_lengths_that_start_in_the_header() -> Made:
    return dicom(GREY, syntax=RLE, frame=np.array([1, 3], "<u4").tobytes() + b"\0" * 100), None


@kind
def dicom_of_run_lengths_of_many_pixels() -> Made:
    frame = np.array([1, 64], "<u4").tobytes().ljust(64, b"\0") + b"\0\7" * 20_000_000
    return dicom(GREY, syntax=RLE, frame=frame, Rows=SIDE, Columns=SIDE), None


WIDE = np.tile(np.arange(64, dtype=np.uint8), (64, 1))


def j2k(at: int, value: bytes) -> bytes:
    """A JPEG 2000 codestream of WIDE with other bytes at a place in its SIZ (from 4) segment."""
    good = compressed(WIDE, "JPEG2000")
    return good[:at] + value + good[at + len(value) :]


@kind
def dicom_of_a_cut_jpeg_2000() -> Made:
    frame = compressed(WIDE, "JPEG2000")
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=frame[: len(frame) // 2]), None


@kind
def dicom_of_a_jpeg_2000_of_many_pixels() -> Made:
    frame = j2k(8, struct.pack(">II", SIDE, SIDE))
    frame = frame[:24] + struct.pack(">II", SIDE, SIDE) + frame[32:]
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=frame, Rows=SIDE, Columns=SIDE), None


@kind
def dicom_of_a_jpeg_2000_of_a_million_tiles() -> Made:
    frame = j2k(8, struct.pack(">II", SIDE, SIDE))
    frame = frame[:24] + struct.pack(">II", 6, 6) + frame[32:]
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=frame, Rows=SIDE, Columns=SIDE), None


@kind
def dicom_of_a_jpeg_2000_of_tiny_precincts() -> Made:
    frame = j2k(8, struct.pack(">II", SIDE, SIDE))
    frame = frame[:24] + struct.pack(">II", SIDE, SIDE) + frame[32:]
    at = frame.index(b"\xff\x52")
    levels = frame[at + 9]
    style = struct.pack(">H", 12 + levels + 1) + b"\1" + frame[at + 5 : at + 14] + b"\0" * (levels + 1)
    return dicom(
        WIDE, syntax=J2K_LOSSLESS, frame=frame[: at + 2] + style + frame[at + 14 :], Rows=SIDE, Columns=SIDE
    ), None


@kind
def dicom_of_a_jpeg_2000_of_tiny_blocks() -> Made:
    frame = j2k(8, struct.pack(">II", SIDE, SIDE))
    frame = bytearray(frame[:24] + struct.pack(">II", SIDE, SIDE) + frame[32:])
    at = frame.index(b"\xff\x52")
    frame[at + 10 : at + 12] = b"\0\0"
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=bytes(frame), Rows=SIDE, Columns=SIDE), None


@kind
def dicom_of_a_jpeg_2000_of_no_tile_width() -> Made:
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=j2k(24, b"\0\0\0\0")), None


@kind
def dicom_of_a_jpeg_2000_of_three_components() -> Made:
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=compressed(np.dstack([WIDE] * 3), "JPEG2000")), None


@kind
def dicom_of_a_jpeg_2000_of_thirty_eight_bits() -> Made:
    return dicom(WIDE, syntax=J2K_LOSSLESS, frame=j2k(42, b"\x25")), None
