"""EXIF orientation, read from its one place; no other tag is looked at, so none can do harm."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
_SHORT = 3
_MOST_TAGS = 1000


def orientation(tiff: bytes) -> int:
    """The orientation 1..8 that an EXIF block (a TIFF header and its first directory) asks for.

    1, upright, where it asks for none or is damaged: EXIF has no checksum to tell one from the other.
    """
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if order == "little" else "big")

    directory = number(4, 4)
    for index in range(min(number(directory, 2), _MOST_TAGS)):
        at = directory + 2 + 12 * index
        if number(at, 2) == _ORIENTATION and number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1:
            value = number(at + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def upright(picture: "Image.Image", turned: int) -> "Image.Image":
    """The picture as EXIF orientation `turned` (1..8) asks for it to be shown."""
    from PIL import Image

    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return picture.transpose(methods[turned]) if turned in methods else picture
