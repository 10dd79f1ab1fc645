"""Damaged and hostile DICOM headers and structures; each file names a patient."""

import struct

import numpy as np

from .dicom_files import BIG, DEFLATED, IMPLICIT, PATIENT, dicom, lut
from .malformed_images import ANY, GREY, SIDE, Made, kind, raw_zeros


def element(tag: int, vr: bytes, body: bytes, *, length: int | None = None) -> bytes:
    """A DICOM element, explicit little endian."""
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    size = len(body) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return head + (b"\0\0" + struct.pack("<I", size) if long else struct.pack("<H", size)) + body


def before_size(content: bytes, inserted: bytes) -> bytes:
    """A DICOM file with elements put before its Rows."""
    at = content.index(b"\x28\x00\x10\x00US")
    return content[:at] + inserted + content[at:]


def opened(depth: int) -> bytes:
    """The beginnings of sequences in sequences, of undefined length."""
    begin = element(0x00081115, b"SQ", b"", length=0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return begin * depth


def closed(depth: int) -> bytes:
    """The ends that belong to `opened`."""
    return struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0) * depth


def deflated(unfolded: bytes) -> bytes:
    """A deflated DICOM file of a deflate stream."""
    good = dicom(GREY, syntax=DEFLATED)
    at = 132 + 12 + struct.unpack("<I", good[140:144])[0]
    return good[:at] + unfolded


@kind
def dicom_of_its_preamble_alone() -> Made:
    return b"\0" * 128 + b"DICM", None


@kind
def dicom_without_a_transfer_syntax() -> Made:
    return dicom(GREY).replace(b"1.2.840.10008.1.2.1\0", PATIENT.ljust(20)[:20].encode()), None


@kind
def dicom_of_an_unknown_transfer_syntax() -> Made:
    return dicom(GREY).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0"), None


@kind
def dicom_cut_in_its_header() -> Made:
    return dicom(GREY)[:420], None


@kind
def dicom_cut_in_its_pixels() -> Made:
    return dicom(GREY)[:-7], None


@kind
def dicom_of_another_encoding_than_it_says() -> Made:
    good = dicom(GREY, syntax=IMPLICIT)
    return good.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.2"[:18]), None


@kind
def dicom_with_too_few_pixels() -> Made:
    return dicom(GREY, PixelData=b"\1" * 20), None


@kind
def dicom_with_too_many_pixels() -> Made:
    return dicom(GREY, PixelData=b"\1" * 200), None


@kind
def dicom_of_many_pixels_and_few_bytes() -> Made:
    return dicom(GREY, Rows=SIDE, Columns=SIDE), None


@kind
def dicom_of_no_rows() -> Made:
    return dicom(GREY, Rows=0), None


@kind
def dicom_without_rows() -> Made:
    return dicom(GREY, without=("Rows",)), None


@kind
def dicom_without_pixels() -> Made:
    return dicom(GREY, without=("PixelData",)), None


@kind
def dicom_without_bits() -> Made:
    return dicom(GREY, without=("BitsAllocated",)), None


@kind
def dicom_of_seventeen_stored_bits() -> Made:
    return dicom(GREY, BitsStored=17), None


@kind
def dicom_of_a_high_bit_below_those_stored() -> Made:
    return dicom(GREY, HighBit=3), None


@kind
def dicom_of_two_frames() -> Made:
    return dicom(GREY, NumberOfFrames=2), None


@kind
def dicom_of_enhanced_groups() -> Made:
    good = dicom(GREY)
    at = good.index(b"\xe0\x7f\x10\x00OB")
    return good[:at] + element(0x52009230, b"SQ", b"") + good[at:], None


@kind
def dicom_in_colour() -> Made:
    return dicom(GREY, PhotometricInterpretation="YBR_FULL", SamplesPerPixel=3), None


@kind
def dicom_whose_photometric_is_a_name() -> Made:
    return dicom(GREY).replace(b"MONOCHROME2 ", PATIENT[:12].encode()), None


@kind
def dicom_whose_slope_is_a_name() -> Made:
    return dicom(GREY, RescaleSlope="1234567890123456").replace(
        b"1234567890123456", PATIENT.ljust(16).encode()
    ), None


@kind
def dicom_of_a_slope_of_nothing() -> Made:
    return dicom(GREY, RescaleSlope="0"), None


@kind
def dicom_of_a_slope_beyond_numbers() -> Made:
    return dicom(GREY, RescaleSlope="1e308", RescaleIntercept="1e308"), None


@kind
def dicom_of_two_windows_and_one_width() -> Made:
    return dicom(GREY, WindowCenter=["1", "2"], WindowWidth="3"), None


@kind
def dicom_of_a_window_without_width() -> Made:
    return dicom(GREY, WindowCenter="100", WindowWidth="0"), None


@kind
def dicom_of_an_unknown_window_function() -> Made:
    return dicom(GREY, WindowCenter="1", WindowWidth="2", VOILUTFunction="CUBIC"), None


@kind
def dicom_of_a_table_shorter_than_it_says() -> Made:
    table = lut(0, 8, [1, 2, 3, 4])
    table[0][0x00283002].value = [400, 0, 8]
    return dicom(GREY, VOILUTSequence=table), None


@kind
def dicom_of_a_table_without_entries() -> Made:
    table = lut(0, 8, [1, 2, 3, 4])
    del table[0][0x00283006]
    return dicom(GREY, VOILUTSequence=table), None


@kind
def dicom_of_a_table_of_sixty_bits() -> Made:
    return dicom(GREY, VOILUTSequence=lut(0, 60, [1, 2, 3, 4])), None


@kind
def dicom_of_a_table_that_holds_a_name() -> Made:
    good = dicom(GREY, VOILUTSequence=lut(0, 8, list(range(256))))
    return good.replace(b"\x28\x00\x02\x30US", b"\x28\x00\x02\x30PN"), None


@kind
def dicom_of_five_hundred_nested_sequences() -> Made:
    return before_size(dicom(GREY), opened(500) + closed(500)), None


@kind
def dicom_of_a_table_of_five_hundred_nested_sequences() -> Made:
    inner = b""
    for _ in range(500):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
        inner = element(0x00283010, b"SQ", item)
    good = dicom(GREY)
    at = good.index(b"\xe0\x7f\x10\x00OB")
    return good[:at] + inner + good[at:], None


@kind
def dicom_of_nested_sequences_without_ends() -> Made:
    return before_size(dicom(GREY), opened(100_000)), None


@kind
def dicom_of_a_million_elements() -> Made:
    return before_size(dicom(GREY), element(0x00100010, b"PN", b"") * 1_000_000), None


@kind
def dicom_of_a_million_items() -> Made:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
    return before_size(dicom(GREY), element(0x00081115, b"SQ", items, length=0xFFFFFFFF)), None


@kind
def dicom_of_an_element_longer_than_the_file() -> Made:
    return before_size(dicom(GREY), element(0x00100010, b"UN", b"", length=0x7FFFFFFF)), None


@kind
def dicom_of_rows_that_stand_twice() -> Made:
    return before_size(dicom(GREY), element(0x00280010, b"US", b"\6\0")), None


@kind
def dicom_of_rows_of_three_bytes() -> Made:
    return before_size(dicom(GREY, without=("Columns",)), element(0x00280011, b"US", b"\6\0\0")), None


@kind
def dicom_of_a_photometric_of_a_megabyte() -> Made:
    good = dicom(GREY, without=("PhotometricInterpretation",), syntax=IMPLICIT)
    body = b"A" * (1 << 21)
    at = good.index(b"\x28\x00\x10\x00\x02\0\0\0")
    return good[:at] + struct.pack("<HHI", 0x28, 4, len(body)) + body + good[at:], None


@kind
def dicom_deflated_to_four_gigabytes() -> Made:
    return deflated(raw_zeros(1 << 32)), None


@kind
def dicom_deflated_and_damaged() -> Made:
    return deflated(b"\xff" * 100), None


@kind
def dicom_deflated_and_cut() -> Made:
    return dicom(GREY, syntax=DEFLATED)[:-20], None


@kind
def dicom_big_endian_in_little() -> Made:
    good = dicom(GREY, syntax=BIG)
    return good.replace(b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1\0"), None


@kind
def dicom_of_noise_behind_its_preamble() -> Made:
    return b"\0" * 128 + b"DICM" + np.random.default_rng(0).bytes(5000), None


@kind
def dicom_of_a_gigantic_window() -> Made:
    return dicom(GREY, WindowCenter="1e30", WindowWidth="1e30"), ANY


@kind
def dicom_of_many_pixels() -> Made:
    return dicom(np.zeros((SIDE, SIDE), np.uint16)), np.zeros((SIDE, SIDE), np.uint8)
