"""Damaged and hostile JPEG files."""

import struct
from io import BytesIO

import numpy as np
from PIL import Image

from .malformed_images import ANY, GREY, SIDE, Made, kind, tiff


def jpeg(picture: Image.Image | None = None, **options: object) -> bytes:
    """A JPEG by Pillow."""
    buffer = BytesIO()
    (picture or Image.fromarray(GREY)).save(buffer, format="JPEG", **options)
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    """A good JPEG with segments before its own."""
    good = jpeg()
    return good[:2] + b"".join(segments) + good[2:]


def resized(content: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    at = next(i for m in (b"\xff\xc0", b"\xff\xc2") if (i := content.find(m)) > 0)
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def expected_jpeg() -> np.ndarray:
    """What Pillow makes of the good JPEG."""
    return np.asarray(Image.open(BytesIO(jpeg())))


@kind
def jpeg_of_its_first_marker_alone() -> Made:
    return b"\xff\xd8\xff", None


@kind
def jpeg_cut_in_its_headers() -> Made:
    return jpeg()[:100], None


@kind
def jpeg_cut_in_its_pixels() -> Made:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    return jpeg(picture)[:-800], None


@kind
def jpeg_without_pixels_but_with_an_end() -> Made:
    good = jpeg(Image.new("L", (64, 64)))
    return good[: good.find(b"\xff\xda") + 10] + b"\xff\xd9", None


@kind
def jpeg_of_many_pixels_and_few_bytes() -> Made:
    return resized(jpeg(), SIDE, SIDE), None


@kind
def jpeg_of_more_pixels_than_the_cap() -> Made:
    return resized(jpeg(), 65_000, 65_000), None


@kind
def jpeg_of_no_height() -> Made:
    return resized(jpeg(), 8, 0), None


@kind
def jpeg_without_a_frame() -> Made:
    good = jpeg()
    at = good.find(b"\xff\xc0")
    return good[:at] + good[at + 2 + struct.unpack(">H", good[at + 2 : at + 4])[0] :], None


@kind
def jpeg_of_two_frames() -> Made:
    good = jpeg()
    at = good.find(b"\xff\xc0")
    frame = good[at : at + 2 + struct.unpack(">H", good[at + 2 : at + 4])[0]]
    return good[:at] + frame + good[at:], None


@kind
def jpeg_of_twelve_bits() -> Made:
    good = bytearray(jpeg())
    good[good.find(b"\xff\xc0") + 4] = 12
    return bytes(good), None


@kind
def jpeg_of_an_arithmetic_process() -> Made:
    return jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1), None


@kind
def jpeg_of_a_lossless_process() -> Made:
    return jpeg().replace(b"\xff\xc0", b"\xff\xc3", 1), None


@kind
def jpeg_without_quantization_tables() -> Made:
    good = jpeg()
    at = good.find(b"\xff\xdb")
    return good[:at] + good[at + 69 :], None


@kind
def jpeg_without_huffman_tables() -> Made:
    # Decoders take the tables of the standard then, which are those that Pillow writes with.
    return jpeg().replace(b"\xff\xc4", b"\xff\xfe"), expected_jpeg()


@kind
def jpeg_with_a_segment_of_no_length() -> Made:
    return with_segments(b"\xff\xe5\x00\x00"), None


@kind
def jpeg_with_a_segment_longer_than_the_file() -> Made:
    return with_segments(b"\xff\xe5\xff\xff"), None


@kind
def jpeg_of_a_million_comments() -> Made:
    return with_segments(*[segment(0xFE, b"")] * 1_000_000), None


@kind
def jpeg_of_a_million_fill_bytes() -> Made:
    return with_segments(b"\xff" * 1_000_000), None


@kind
def jpeg_whose_exif_reads_itself_thousands_of_times() -> Made:
    entries = [(1000 + i, 7, 60_000, 8) for i in range(5400)]
    return with_segments(segment(0xE1, b"Exif\0\0" + tiff(*entries))), expected_jpeg()


@kind
def jpeg_whose_exif_asks_for_an_impossible_orientation() -> Made:
    return with_segments(segment(0xE1, b"Exif\0\0" + tiff((0x0112, 3, 1, 77)))), expected_jpeg()


@kind
def jpeg_that_claims_several_pictures() -> Made:
    return with_segments(segment(0xE2, b"MPF\0" + tiff((0xB001, 4, 1, 9999)))), None


@kind
def jpeg_of_ten_thousand_scans() -> Made:
    good = jpeg(Image.new("L", (2048, 2048)), progressive=True)
    at = good.rfind(b"\xff\xda")
    return good[:-2] + good[at:-2] * 10_000 + good[-2:], None


@kind
def jpeg_of_many_colour_pixels_progressive() -> Made:
    good = jpeg(Image.new("RGB", (SIDE, SIDE), (9, 9, 9)), progressive=True, subsampling=0)
    return good, ANY


@kind
def jpeg_of_many_cmyk_pixels() -> Made:
    return resized(jpeg(Image.new("CMYK", (64, 64))) + b"\0" * SIDE * SIDE + b"\xff\xd9", SIDE, SIDE), None
