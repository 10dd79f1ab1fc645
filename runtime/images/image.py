"""Decoding of PNG, JPEG and DICOM into 8-bit grey, with a refusal for whatever would be guessed at."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import read_regular
from .decoded import MAX_FILE_BYTES, MAX_PIXELS, Decoded, Prepared, look_up
from .exif import upright
from .jpeg import SIGNATURE as JPEG
from .jpeg import CheckedJPEG, check_jpeg
from .png import SIGNATURE as PNG
from .png import CheckedPNG, check_png
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""What is looked for in folders; a file that is named is recognised by its bytes."""

# What Pillow's decoders were seen to raise on damaged files, beyond its own documented OSError. Its warnings
# are left to the program's own filters, which cannot be changed safely from a thread; where those make
# errors of warnings, a warning is a reason to refuse.
_DECODER_ERRORS = (
    Warning,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    OverflowError,
    IndexError,
    KeyError,
    MemoryError,
    struct.error,
    zlib.error,
)

# 0..65535 to 0..255, rounded: Pillow's own conversion would clip a 16-bit image to white.
_SIXTEEN_TO_EIGHT = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def decode(source: Path | str | bytes) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG or DICOM, given as a path or as its bytes, to 8-bit grey.

    Colour is weighed to grey by ITU-R 601-2. A 16-bit grey PNG is scaled from 0..65535 to 0..255
    (rounded), an EXIF orientation is applied. How DICOM becomes grey is told by `dicom.decode_dicom`.
    Refused instead of guessed at: partly transparent pixels, CMYK, animations, other formats.

    Returns:
        uint8 (H, W).

    Raises:
        InputError: the image cannot be read, is damaged, too large, or of a kind refused above.
        DependencyError: it is a DICOM, and the extra `dicom` is not installed.
    """
    return decode_with_notes(source).image_HW


def decode_with_notes(source: Path | str | bytes) -> Decoded:
    """Decode as `decode` does, with notes on what decided the grey values, such as the window of a DICOM.

    Raises:
        InputError, DependencyError: as for `decode`.
    """
    picture, notes = _picture(source)
    return Decoded(image_HW=np.array(picture, dtype=np.uint8), notes=notes)


def resize(image_HW: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Stretch an 8-bit grey image to uint8 (size, size), antialiased bilinear.

    Raises:
        InputError: not a filled two-dimensional uint8 array.
    """
    from PIL import Image

    check_array(image_HW)
    return _resized(Image.fromarray(np.ascontiguousarray(image_HW)), size)


def prepare(source: Path | str | bytes | NDArray[np.uint8], preprocessing: Preprocessing) -> Prepared:
    """Decode and resize to uint8 (size, size), what a bundle's graph takes; an array is only resized.

    The shape that the image had and the notes of its decoding are kept.
    The same pixels as `resize(decode(source), size)`, without an array in between.

    Raises:
        InputError, DependencyError: as for `decode`; an array that is not uint8 (H, W).
    """
    if not isinstance(source, Path | str | bytes):
        resized_HW = resize(source, preprocessing.size)
        return Prepared(
            image_HW=resized_HW, notes={"format": "array"}, height=len(source), width=source.shape[1]
        )
    picture, notes = _picture(source)
    return Prepared(
        image_HW=_resized(picture, preprocessing.size),
        notes=notes,
        height=picture.height,
        width=picture.width,
    )


def check_array(image: object) -> None:
    """Check that an array holds one 8-bit grey image.

    Raises:
        InputError: it is not a uint8 array of shape (H, W) with H, W >= 1.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"an image must be a path, bytes or a uint8 array (H, W), got {type(image).__name__}"
        )
    if image.dtype != np.uint8 or image.ndim != 2:
        raise InputError(f"an image array must be uint8 (H, W), got {image.dtype} {image.shape}")
    if image.size == 0:
        raise InputError(f"an image array must hold pixels, got shape {image.shape}")
    if image.size > MAX_PIXELS:
        raise InputError(f"an image may have at most {MAX_PIXELS} pixels, got shape {image.shape}")


def _read(path: Path) -> bytes:
    try:
        # Links to images are common in data sets and harmless here: decoding caps what they can do.
        return read_regular(path.resolve(strict=True), limit=MAX_FILE_BYTES)
    except FileNotFoundError:
        raise InputError(f"no image at {path}; check the path") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read image {path}: {reason}") from error


def _picture(source: Path | str | bytes) -> "tuple[Image.Image, dict[str, str]]":
    """An image as Pillow's 8-bit grey picture, and its notes."""
    if not isinstance(source, Path | str | bytes):
        raise InputError(
            f"an image must be a path, bytes or a uint8 array (H, W), got {type(source).__name__}"
        )
    name = "image bytes" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else _read(Path(source))
    if not content:
        raise InputError(f"{name} is empty; a PNG, JPEG or DICOM file is needed")
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{name} is larger than {MAX_FILE_BYTES} bytes; give a smaller image")
    if content[128:132] == b"DICM":
        from PIL import Image

        from .dicom import decode_dicom

        decoded = decode_dicom(content, name)
        return Image.fromarray(decoded.image_HW), decoded.notes
    return _decode(content, name)


def _resized(picture: "Image.Image", size: int) -> NDArray[np.uint8]:
    from PIL import Image

    if picture.size == (size, size):
        return np.array(picture, dtype=np.uint8)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def _decode(content: bytes, name: str) -> "tuple[Image.Image, dict[str, str]]":
    from PIL import Image, UnidentifiedImageError

    try:
        if content.startswith(PNG):
            png = check_png(content)
            return _grey_of_png(png), _notes("PNG", png.orientation)
        if content.startswith(JPEG):
            jpeg = check_jpeg(content)
            return _grey_of_jpeg(jpeg), _notes("JPEG", jpeg.orientation)
    except InputError as error:
        raise InputError(f"{name} {error}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has too many pixels; at most {MAX_PIXELS} are decoded") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is no readable PNG or JPEG; check the file") from error
    except _DECODER_ERRORS as error:
        raise InputError(f"{name} is no readable PNG or JPEG ({error}); check the file") from error
    raise InputError(
        f"{name} is no readable PNG or JPEG, nor a DICOM file (which has DICM at byte 128); check the file"
    )


def _notes(kind: str, orientation: int) -> dict[str, str]:
    return {"format": kind} | ({} if orientation == 1 else {"orientation": f"EXIF {orientation}, applied"})


def _grey_of_png(png: CheckedPNG) -> "Image.Image":
    from PIL import Image

    with Image.open(BytesIO(png.content), formats=("PNG",)) as picture:
        picture.load()
        last_row = picture.crop((0, picture.height - 1, *picture.size))
        # Rows that were never coded are left at zero: only where the last one is must they be counted.
        if png.interlaced or not np.asarray(last_row).any():
            png.check_pixels()
        if png.colours is not None and picture.mode == "P" and np.asarray(picture).max() >= png.colours:
            raise InputError("is no readable PNG or JPEG (it has colours beyond its palette); check the file")
        return _to_grey(upright(picture, png.orientation))


def _grey_of_jpeg(jpeg: CheckedJPEG) -> "Image.Image":
    from PIL import Image

    with Image.open(BytesIO(jpeg.content), formats=("JPEG",)) as picture:
        if picture.mode == "CMYK":
            raise InputError("is CMYK, which has no one meaning in grey; convert it to grey first")
        picture.load()
        return _to_grey(upright(picture, jpeg.orientation))


def _to_grey(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode.startswith("I"):
        return Image.fromarray(look_up(np.asarray(picture).astype(np.uint16), _SIXTEEN_TO_EIGHT))
    if picture.has_transparency_data:
        alpha = picture if picture.mode in ("LA", "RGBA") else picture.convert("RGBA")
        if alpha.getchannel("A").getextrema() != (255, 255):
            raise InputError("has transparent pixels, which have no grey value; flatten it first")
    # A palette's indices are no intensities, and Pillow looks its colours up before it weighs them.
    return picture if picture.mode == "L" else picture.convert("L")
