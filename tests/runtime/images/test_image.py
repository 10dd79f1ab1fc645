import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from xopt.runtime import InputError, Preprocessing
from xopt.runtime.images.image import decode, decode_with_notes, prepare, resize

from .malformed_png import chunk, header
from .malformed_png import png as made

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def png(picture: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="PNG", **options)
    return buffer.getvalue()


def jpeg(picture: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=95, **options)
    return buffer.getvalue()


def rgba(alpha: int) -> Image.Image:
    picture = Image.fromarray(GREY).convert("RGBA")
    picture.putalpha(alpha)
    return picture


def paletted() -> Image.Image:
    """Indices that run against the intensities they stand for."""
    picture = Image.fromarray(255 - GREY).convert("P")
    picture.putpalette([v for i in range(256) for v in (255 - i,) * 3])
    return picture


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(Image.fromarray(GREY)), GREY),
        (png(Image.fromarray(GREY).convert("RGB")), GREY),
        (png(rgba(255)), GREY),
        (png(Image.fromarray(GREY).convert("LA")), GREY),
        (png(paletted()), GREY),
        (png(Image.fromarray(GREY > 100)), (GREY > 100) * np.uint8(255)),
        (png(Image.fromarray(GREY.astype(np.uint16) * 257)), GREY),
        (
            png(Image.fromarray(np.array([[0, 128, 129, 65535]], np.uint16))),
            np.array([[0, 0, 1, 255]], np.uint8),
        ),
    ],
    ids=["grey", "rgb", "rgba", "la", "palette", "one-bit", "sixteen-bit", "sixteen-bit-rounding"],
)
def test_every_kind_of_png_becomes_the_same_grey(content, expected):
    decoded = decode(content)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


def test_a_jpeg_is_decoded_to_within_its_loss():
    smooth = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    assert np.abs(decode(jpeg(Image.fromarray(smooth))).astype(int) - smooth).max() <= 3


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(jpeg(Image.fromarray(np.zeros((8, 16), np.uint8)), exif=exif))
    assert turned.shape == (16, 8)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).T),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize("grey", [GREY, GREY.astype(np.uint16) * 257], ids=["8-bit", "16-bit"])
def test_every_exif_orientation_of_a_png_is_applied(orientation, turn, grey):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(png(Image.fromarray(grey), exif=exif)), turn(GREY))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_png_of_few_bits_has_its_values_spread_over_all_greys(depth):
    values = np.arange(48).reshape(6, 8) % (1 << depth)
    bits = (values[:, :, None] >> np.arange(depth)[::-1]) & 1
    coded = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits.reshape(6, -1))
    content = made(header(8, 6, depth=depth), chunk(b"IDAT", zlib.compress(coded)))
    np.testing.assert_array_equal(decode(content), values * 255 // ((1 << depth) - 1))


def interlaced(grey: np.ndarray) -> bytes:
    """An 8-bit grey PNG in the seven passes of Adam7."""
    first = ((0, 0), (4, 0), (0, 4), (2, 0), (0, 2), (1, 0), (0, 1))
    steps = ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))
    places = zip(first, steps, strict=True)
    parts = (grey[top::down, left::across] for (left, top), (across, down) in places)
    coded = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    size = header(grey.shape[1], grey.shape[0], interlace=1)
    return made(size, chunk(b"IDAT", zlib.compress(coded)))


@pytest.mark.parametrize("shape", [(6, 8), (1, 1), (3, 5), (9, 17)])
def test_an_interlaced_png_is_decoded(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(decode(interlaced(grey)), grey)


@pytest.mark.parametrize(
    "source", [None, 3, 1.5, ["x.png"], bytearray(b"x"), GREY.astype(np.float64) * np.nan]
)
def test_what_is_neither_a_path_nor_bytes_is_an_input_error(source):
    with pytest.raises(InputError, match="must be a path, bytes or a uint8 array"):
        decode(source)


def test_the_notes_name_the_format():
    assert decode_with_notes(png(Image.fromarray(GREY))).notes == {"format": "PNG"}
    assert decode_with_notes(jpeg(Image.fromarray(GREY))).notes == {"format": "JPEG"}


def animated() -> bytes:
    buffer = BytesIO()
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(buffer, format="PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def gif() -> bytes:
    buffer = BytesIO()
    Image.fromarray(GREY).save(buffer, format="GIF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"not an image", "no readable PNG or JPEG"),
        (gif(), "no readable PNG or JPEG"),
        (animated(), "several frames"),
        (png(rgba(100)), "transparent"),
        (png(paletted(), transparency=255), "transparent"),
        (jpeg(Image.new("CMYK", (8, 8))), "CMYK"),
        (png(Image.fromarray(GREY))[:-20], "cut off"),
        (png(Image.fromarray(GREY))[:-36], "cut off"),
        (jpeg(Image.fromarray(GREY))[:-20], "no readable PNG or JPEG"),
        (png(Image.new("L", (8000, 8000))), "at most"),
    ],
    ids=[
        "empty",
        "text",
        "gif",
        "animation",
        "alpha",
        "palette-alpha",
        "cmyk",
        "no-end",
        "truncated",
        "truncated-jpeg",
        "bomb",
    ],
)
def test_what_would_be_guessed_at_is_refused_in_one_line(content, match):
    with pytest.raises(InputError, match=match) as caught:
        decode(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [png, jpeg])
def test_damaged_bytes_give_an_input_error_or_an_image(make):
    content = make(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)))
    rng = np.random.default_rng(1)
    for _ in range(400):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        try:
            assert decode(bytes(damaged)).dtype == np.uint8
        except InputError:
            continue


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: None, "no image at"),
        (lambda p: p.mkdir(), "cannot read"),
        (lambda p: p.write_bytes(b""), "empty"),
    ],
)
def test_a_path_that_cannot_be_read_is_named(tmp_path, make, match):
    make(tmp_path / "x.png")
    with pytest.raises(InputError, match=match):
        decode(tmp_path / "x.png")


def test_a_fifo_does_not_hang(tmp_path):
    import os

    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(InputError, match="not a regular file"):
        decode(tmp_path / "x.png")


def test_a_path_with_a_null_byte_is_an_input_error():
    with pytest.raises(InputError, match="cannot read"):
        decode("a\0b.png")


def test_a_rectangle_is_stretched_and_a_fitting_image_stays():
    assert resize(GREY, 4).shape == (4, 4)
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(resize(square, 4), square)


@pytest.mark.parametrize(
    "array",
    [GREY.astype(np.float32), GREY[None], np.zeros((0, 4), np.uint8), [[1, 2]], None],
    ids=["float", "three-dimensional", "no-pixels", "list", "none"],
)
def test_anything_but_a_grey_uint8_image_is_refused(array):
    with pytest.raises(InputError, match="image"):
        resize(array, 4)


def test_prepare_decodes_and_resizes(tmp_path):
    (tmp_path / "x.png").write_bytes(png(Image.fromarray(GREY)))
    assert prepare(tmp_path / "x.png", Preprocessing.square(5, 4)).image_HW.shape == (5, 5)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("shape", [(6, 8), (8, 8), (3, 20)])
def test_prepared_pixels_are_those_decoded_and_resized_one_after_the_other(shape, size):
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    content = png(Image.fromarray(grey))
    for source in (content, grey):
        prepared = prepare(source, Preprocessing.square(size, size))
        np.testing.assert_array_equal(prepared.image_HW, resize(decode(content), size))
        assert (prepared.height, prepared.width) == shape


def test_decoding_in_threads_leaves_the_warning_filters_alone(tmp_path):
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, [jpeg(Image.fromarray(GREY))] * 64))
    assert warnings.filters == before
