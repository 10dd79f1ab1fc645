"""Damaged and hostile PNG files."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

from xopt.runtime.images.decoded import MAX_FILE_BYTES

from .malformed_images import GREY, SIDE, Made, kind, tiff, zeros


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk with its right checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """A PNG header chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(*chunks: bytes) -> bytes:
    """A PNG of chunks, with its end."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def rows(grey: np.ndarray = GREY) -> bytes:
    """The pixel data of an 8-bit grey PNG."""
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in grey))


@kind
def png_of_no_bytes() -> Made:
    return b"", None


@kind
def png_of_its_signature_alone() -> Made:
    return b"\x89PNG\r\n\x1a\n", None


@kind
def png_without_a_header() -> Made:
    return png(chunk(b"IDAT", rows())), None


@kind
def png_with_two_headers() -> Made:
    return png(header(8, 6), header(8, 6), chunk(b"IDAT", rows())), None


@kind
def png_of_no_width() -> Made:
    return png(header(0, 6), chunk(b"IDAT", rows())), None


@kind
def png_wider_than_any_memory() -> Made:
    return png(header(2**31 - 1, 2**31 - 1), chunk(b"IDAT", rows())), None


@kind
def png_of_an_impossible_depth() -> Made:
    return png(header(8, 6, depth=7), chunk(b"IDAT", rows())), None


@kind
def png_of_an_impossible_colour_type() -> Made:
    return png(header(8, 6, colour=5), chunk(b"IDAT", rows())), None


@kind
def png_of_an_impossible_interlace() -> Made:
    return png(header(8, 6, interlace=9), chunk(b"IDAT", rows())), None


@kind
def png_with_an_impossible_filter() -> Made:
    return png(header(8, 6), chunk(b"IDAT", zlib.compress(b"\x09" + b"\0" * 53))), None


@kind
def png_without_pixels() -> Made:
    return png(header(8, 6)), None


@kind
def png_with_too_few_pixels() -> Made:
    return png(header(8, 6), chunk(b"IDAT", rows(GREY[:3]))), None


@kind
def png_of_many_pixels_and_few_bytes() -> Made:
    return png(header(SIDE, SIDE), chunk(b"IDAT", rows())), None


@kind
def png_of_many_colour_pixels_and_few_bytes() -> Made:
    return png(header(SIDE, SIDE, depth=16, colour=6), chunk(b"IDAT", rows())), None


@kind
def png_with_a_wrong_checksum() -> Made:
    good = png(header(8, 6), chunk(b"IDAT", rows()))
    return good[:-20] + bytes([good[-20] ^ 1]) + good[-19:], None


@kind
def png_with_damaged_deflate() -> Made:
    return png(header(8, 6), chunk(b"IDAT", rows()[:8] + b"\xff" * 30)), None


@kind
def png_cut_inside_a_chunk() -> Made:
    return png(header(8, 6), chunk(b"IDAT", rows()))[:-30], None


@kind
def png_without_its_end() -> Made:
    return png(header(8, 6), chunk(b"IDAT", rows()))[:-12], None


@kind
def png_with_a_chunk_longer_than_the_file() -> Made:
    return b"\x89PNG\r\n\x1a\n" + header(8, 6) + b"\xff\xff\xff\xffIDAT" + rows(), None


@kind
def png_whose_pixels_unfold_to_a_gigabyte() -> Made:
    return png(header(8, 6), chunk(b"IDAT", zeros(1 << 30))), np.zeros((6, 8), np.uint8)


@kind
def png_whose_profile_unfolds_to_half_a_gigabyte() -> Made:
    profile = chunk(b"iCCP", b"p\0\0" + zeros(1 << 29))
    return png(header(8, 6), profile, chunk(b"IDAT", rows())), GREY


@kind
def png_whose_text_unfolds_to_half_a_gigabyte() -> Made:
    text = chunk(b"zTXt", b"t\0\0" + zeros(1 << 29))
    return png(header(8, 6), text, chunk(b"IDAT", rows())), GREY


@kind
def png_whose_international_text_unfolds_to_half_a_gigabyte() -> Made:
    text = chunk(b"iTXt", b"t\0\1\0\0\0" + zeros(1 << 29))
    return png(header(8, 6), text, chunk(b"IDAT", rows())), GREY


@kind
def png_of_ten_thousand_profiles_of_a_megabyte() -> Made:
    profile = chunk(b"iCCP", b"p\0\0" + zeros(1 << 20))
    return png(header(8, 6), *[profile] * 10_000, chunk(b"IDAT", rows())), GREY


@kind
def png_of_a_million_chunks() -> Made:
    return png(header(8, 6), *[chunk(b"tEXt", b"")] * 1_000_000, chunk(b"IDAT", rows())), None


@kind
def png_of_a_million_pixel_chunks() -> Made:
    return png(header(8, 6), chunk(b"IDAT", rows()), *[chunk(b"IDAT", b"")] * 1_000_000), None


@kind
def png_whose_exif_reads_itself_thousands_of_times() -> Made:
    entries = [(1000 + i, 7, 700_000, 8) for i in range(60_000)]
    return png(header(8, 6), chunk(b"eXIf", tiff(*entries)), chunk(b"IDAT", rows())), GREY


@kind
def png_whose_exif_points_beyond_itself() -> Made:
    exif = b"II*\0\xff\xff\xff\x7f"
    return png(header(8, 6), chunk(b"eXIf", exif), chunk(b"IDAT", rows())), GREY


@kind
def png_with_a_critical_chunk_of_no_standard() -> Made:
    return png(header(8, 6), chunk(b"XOPT", b"?"), chunk(b"IDAT", rows())), None


@kind
def png_of_a_palette_without_one() -> Made:
    return png(header(8, 6, colour=3), chunk(b"IDAT", rows())), None


@kind
def png_of_a_palette_with_indices_beyond_it() -> Made:
    return png(header(8, 6, colour=3), chunk(b"PLTE", b"\1\2\3"), chunk(b"IDAT", rows())), None


@kind
def png_with_a_palette_of_a_broken_length() -> Made:
    return png(header(8, 6, colour=3), chunk(b"PLTE", b"\1\2\3\4"), chunk(b"IDAT", rows())), None


@kind
def png_with_pixels_in_two_places() -> Made:
    half = len(rows()) // 2
    pieces = [chunk(b"IDAT", rows()[:half]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", rows()[half:])]
    return png(header(8, 6), *pieces), None


@kind
def png_with_a_transparent_value_of_sixteen_bits() -> Made:
    pixels = zlib.compress((b"\0" + b"\1\2" * 8) * 6)
    return png(header(8, 6, depth=16), chunk(b"tRNS", b"\1\2"), chunk(b"IDAT", pixels)), None


@kind
def png_that_claims_a_million_frames() -> Made:
    animation = chunk(b"acTL", struct.pack(">II", 1_000_000, 0))
    return png(header(8, 6), animation, chunk(b"IDAT", rows())), None


@kind
def png_that_is_a_gif() -> Made:
    buffer = BytesIO()
    Image.fromarray(GREY).save(buffer, format="GIF")
    return buffer.getvalue(), None


@kind
def file_larger_than_the_cap() -> Made:
    return png(header(8, 6)) + b"\0" * MAX_FILE_BYTES, None


@kind
def png_of_too_few_pixels_interlaced() -> Made:
    return png(header(8, 6, interlace=1), chunk(b"IDAT", rows(GREY[:5]))), None


@kind
def png_with_a_last_row_of_black() -> Made:
    black = GREY.copy()
    black[-1] = 0
    return png(header(8, 6), chunk(b"IDAT", rows(black))), black


@kind
def png_of_many_transparent_colour_pixels() -> Made:
    row = b"\0" + b"\1\2\3\4\5\6\7\x08" * SIDE
    stream = zlib.compressobj(1)
    pixels = b"".join(stream.compress(row) for _ in range(SIDE)) + stream.flush()
    return png(header(SIDE, SIDE, depth=16, colour=6), chunk(b"IDAT", pixels)), None


@kind
def png_of_many_colour_pixels() -> Made:
    row = b"\0" + b"\x09\x09\x09\xff" * SIDE
    stream = zlib.compressobj(1)
    pixels = b"".join(stream.compress(row) for _ in range(SIDE)) + stream.flush()
    return png(header(SIDE, SIDE, colour=6), chunk(b"IDAT", pixels)), np.full((SIDE, SIDE), 9, np.uint8)
