"""Decoding of PNG and JPEG into 8-bit grey, with a refusal for whatever would be guessed at."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .files import read_regular
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Largest image file read, in bytes."""
MAX_PIXELS = 40_000_000
"""Most pixels decoded; large X-ray detectors have about 17 million. A 79 KB PNG can unfold to 284 MB."""

SUFFIXES = (".png", ".jpg", ".jpeg")

# Pillow takes a PNG whose last chunks are missing, and their checksum with them, if the pixels suffice.
_PNG_END = b"IEND\xaeB`\x82"

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
    struct.error,
    zlib.error,
)


def decode(source: Path | str | bytes) -> NDArray[np.uint8]:
    """Decode a PNG or JPEG, given as a path or as its bytes, to 8-bit grey.

    Colour is weighed to grey by ITU-R 601-2. A 16-bit grey PNG is scaled from 0..65535 to 0..255
    (rounded), an EXIF orientation is applied. Refused instead of guessed at: partly transparent
    pixels, CMYK, animations, anything but PNG and JPEG.

    Returns:
        uint8 (H, W).

    Raises:
        InputError: the image cannot be read, is damaged, too large, or of a kind refused above.
    """
    name = "image bytes" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else _read(Path(source))
    if not content:
        raise InputError(f"{name} is empty; a PNG or JPEG file is needed")
    return _decode(content, name)


def resize(image_HW: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Stretch an 8-bit grey image to uint8 (size, size), antialiased bilinear.

    Raises:
        InputError: not a filled two-dimensional uint8 array.
    """
    from PIL import Image

    check_array(image_HW)
    if image_HW.shape == (size, size):
        return np.ascontiguousarray(image_HW)
    picture = Image.fromarray(np.ascontiguousarray(image_HW))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def load(source: Path | str | bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode and resize: uint8 (size, size), what a bundle's graph takes.

    Raises:
        InputError: as for `decode`.
    """
    return resize(decode(source), preprocessing.size)


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


def _decode(content: bytes, name: str) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture:
            _check_header(picture, name)
            picture.load()
            if picture.format == "PNG" and _PNG_END not in content:
                raise InputError(f"{name} is cut off before the end of the image; copy it again")
            return _to_grey(picture, name)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has too many pixels; at most {MAX_PIXELS} are decoded") from error
    except _DECODER_ERRORS as error:
        raise InputError(f"{name} is no readable PNG or JPEG ({error}); check the file") from error


def _check_header(picture: "Image.Image", name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} has {width} x {height} pixels; at most {MAX_PIXELS} are decoded")
    if getattr(picture, "n_frames", 1) != 1:
        raise InputError(f"{name} holds {getattr(picture, 'n_frames', 0)} frames; give one image a file")
    if picture.mode == "CMYK":
        raise InputError(f"{name} is CMYK, which has no one meaning in grey; convert it to grey first")


def _to_grey(picture: "Image.Image", name: str) -> NDArray[np.uint8]:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        # convert("L") would clip a 16-bit image to white; scaling keeps its range.
        wide = np.asarray(upright).astype(np.uint32)
        return ((wide * 255 + 32767) // 65535).astype(np.uint8)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        opacity = upright.getchannel("A").getextrema()
        if opacity != (255, 255):
            raise InputError(f"{name} has transparent pixels, which have no grey value; flatten it first")
    if upright.mode != "L":
        # A palette is expanded to colour first: its indices are no intensities.
        upright = upright.convert("RGB").convert("L")
    return np.array(upright, dtype=np.uint8)
