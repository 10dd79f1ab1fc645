"""Golden parity: a bundle carries a few images with their expected answers, to be met on every machine."""

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.base import Backend
from ..errors import BundleError
from .bundle import GOLDEN, Bundle

MAX_GOLDEN_IMAGES = 64
"""An export puts 4 in."""
_MAX_HEADER_BYTES = 10_000
_UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The distance of this machine's answers from the expected ones."""

    images: int
    max_difference: float
    """Largest absolute difference of a probability."""
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.max_difference <= self.tolerance


def encode_golden(images_NHW: NDArray[np.uint8], probabilities_NC: NDArray[np.float32]) -> bytes:
    """The bytes of golden.npz, the same for the same content (a zip's usual time stamps are left out)."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (("images", images_NHW), ("probabilities", probabilities_NC)):
            member = BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), member.getvalue()
            )
    return buffer.getvalue()


def read_golden(bundle: Bundle) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images uint8 (K, size, size) and their expected probabilities float32 (K, C).

    Raises:
        BundleError: golden.npz does not hold them in the shapes the manifest asks for.
    """
    manifest, count = bundle.manifest, bundle.manifest.golden.get("images")
    if not isinstance(count, int) or not 0 < count <= MAX_GOLDEN_IMAGES:
        raise BundleError(
            f"{bundle.path}: a bundle has 1 to {MAX_GOLDEN_IMAGES} golden images, not {count!r}"
        )
    size, classes = manifest.preprocessing.size, len(manifest.classes)
    try:
        with zipfile.ZipFile(BytesIO(bundle.read(GOLDEN))) as archive:
            if sorted(archive.namelist()) != ["images.npy", "probabilities.npy"]:
                raise ValueError(f"it holds {', '.join(archive.namelist()[:4])}")
            images = _read_array(archive, "images.npy", np.dtype(np.uint8), (count, size, size))
            expected = _read_array(archive, "probabilities.npy", np.dtype(np.float32), (count, classes))
    except _UNREADABLE as error:
        raise BundleError(f"{bundle.path}: {GOLDEN} is not readable ({error}); export again") from error
    return images, expected


def _read_array(
    archive: zipfile.ZipFile, name: str, dtype: "np.dtype[Any]", shape: tuple[int, ...]
) -> NDArray[Any]:
    """Read the array that has to be there; one that claims to be larger is not unfolded."""
    length = dtype.itemsize * int(np.prod(shape))
    with archive.open(name) as member:
        content = member.read(length + _MAX_HEADER_BYTES + 1)
    stream = BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is of another version")
    found, fortran, kind = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_HEADER_BYTES)
    if found != shape or kind != dtype or fortran or len(content) - stream.tell() != length:
        raise ValueError(f"{name} has {kind} {found}, {dtype} {shape} is needed")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)


def check_parity(bundle: Bundle, backend: Backend) -> Parity:
    """Run the golden images and insist on the expected answers.

    Raises:
        BundleError: golden.npz is not readable, or this machine answers differently.
    """
    images, expected = read_golden(bundle)
    answers = np.stack([backend.infer(image) for image in images])
    parity = Parity(
        images=len(images),
        max_difference=float(np.abs(answers - expected).max()),
        tolerance=float(bundle.manifest.golden["tolerance"]),
    )
    if not parity.holds:
        raise BundleError(
            f"{bundle.path}: golden images differ by {parity.max_difference:.2g} on this machine, allowed is "
            f"{parity.tolerance:.2g}; do not use it here, see xopt doctor"
        )
    return parity
