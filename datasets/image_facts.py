"""Facts of one image: its exposure, padding, histogram, and a fingerprint.

Everything but the digest is measured on the image resized to LOOK x LOOK pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError

LOOK = 256
"""Side of the resized image, in pixels."""
BINS = 32
"""Of the histogram over grey values 0..255."""
PRINT = 32
"""Side of the fingerprint, in pixels."""

_SAME = 12
"""Grey values between which a border still counts as one tone: JPEG leaves some noise in it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFacts:
    """Facts of one image."""

    row: int
    reason: str | None = None
    """Why the image cannot be decoded; nothing below holds then."""
    digest: bytes = b""
    """SHA-256 of its bytes."""
    height: int = 0
    width: int = 0
    mean: float = 0.0
    """Of its grey values, 0..255."""
    deviation: float = 0.0
    """Standard deviation of its grey values."""
    padding: float = 0.0
    """Share of its area in borders of one tone, 0..1."""
    histogram: NDArray[np.int64] | None = None
    """Counts of grey values, int64 (BINS,)."""
    fingerprint_HW: NDArray[np.uint8] | None = None
    """The image at PRINT x PRINT pixels."""


def look_at(batch: Sequence[tuple[int, Path | NDArray[np.uint8]]]) -> list[ImageFacts]:
    """Read and measure images, in a worker."""
    return [_look(row, source) for row, source in batch]


def measure_padding(image_HW: NDArray[np.uint8]) -> float:
    """Share of the area that lies in borders of one tone, 0..1: rows and columns from the edge inwards."""
    # An image without contrast is no image of borders.
    same = min(_SAME, (int(image_HW.max()) - int(image_HW.min())) // 8)
    rows = image_HW.max(axis=1).astype(int) - image_HW.min(axis=1) <= same
    columns = image_HW.max(axis=0).astype(int) - image_HW.min(axis=0) <= same
    if rows.all() or columns.all():
        return 1.0
    height, width = (len(same) - _run(same) - _run(same[::-1]) for same in (rows, columns))
    return 1 - height * width / image_HW.size


def _run(same: NDArray[np.bool_]) -> int:
    return int(np.argmin(same))


def _look(row: int, source: Path | NDArray[np.uint8]) -> ImageFacts:
    from ..runtime.files import read_regular
    from ..runtime.images import image
    from ..runtime.images.decoded import MAX_FILE_BYTES
    from ..runtime.images.preprocessing import Preprocessing

    try:
        content = read_regular(source.resolve(), limit=MAX_FILE_BYTES) if isinstance(source, Path) else source
        prepared = image.prepare(content, Preprocessing.square(LOOK, LOOK))
    except OSError as error:
        return ImageFacts(row=row, reason=f"cannot be read: {error.strerror or error}")
    except InputError as error:
        return ImageFacts(row=row, reason=str(error).removeprefix("image bytes "))
    image_HW = prepared.image_HW
    return ImageFacts(
        row=row,
        digest=hashlib.sha256(content if isinstance(content, bytes) else content.tobytes()).digest(),
        height=prepared.height,
        width=prepared.width,
        mean=float(image_HW.mean()),
        deviation=float(image_HW.std()),
        padding=measure_padding(image_HW),
        histogram=np.bincount(image_HW.ravel() // (256 // BINS), minlength=BINS),
        fingerprint_HW=image.resize(image_HW, PRINT),
    )
