"""Copies of an image under another name: they must not calibrate what its other copy gates."""

from collections.abc import Sequence
from dataclasses import replace

from ...datasets.roles import Scored, pixel_digests
from ...runtime.errors import DataError
from ...runtime.images.preprocessing import Preprocessing
from ..quantize.calibration import CalibrationSet

STRAYS = 0.01
"""Share of the calibration images that may be strays to be left out. Public data has a few (8 of the 3882
training images of pneumonia28 stand in its validation part, too); more is no split."""


def leave_out_copies(
    calibration: CalibrationSet, others: Sequence[Scored], preprocessing: Preprocessing
) -> CalibrationSet:
    """Leave out calibration images whose pixels stand in a split that gates or reports.

    Args:
        calibration: as drawn.
        others: the images that must not be among them.
        preprocessing: its size is that at which pixels are compared.

    Returns:
        the rest, with the digests of its pixels and the number of those left out.

    Raises:
        DataError: more than STRAYS of them are copies, or an image is absent.
        InputError: an image cannot be decoded.
    """
    drawn = calibration.images
    pixels = pixel_digests(drawn, preprocessing)
    taken = {
        digest: (other.split.name, image)
        for other in others
        for digest, image in zip(other.pixels, other.split.images, strict=False)
    }
    copies = [index for index, digest in enumerate(pixels) if digest in taken]
    if len(copies) > STRAYS * len(drawn):
        name, image = taken[pixels[copies[0]]]
        raise DataError(
            f"{len(copies)} of {len(drawn)} calibration images are also in split {name} under another name "
            f"({drawn.images[copies[0]]} is {image}); an image may calibrate or gate, not both: remove them "
            "from one of the splits (xopt data check lists them)"
        )
    kept = [index for index in range(len(drawn)) if index not in set(copies)]
    return replace(
        calibration,
        images=drawn.select(kept),
        copies=len(copies),
        pixels=tuple(pixels[index] for index in kept),
    )
