"""Golden parity: a bundle carries a few images with their expected answers, to be met on every machine."""

import zipfile
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from .backend import Backend
from .bundle import GOLDEN, Bundle
from .errors import BundleError


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far this machine's answers are from the expected ones."""

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
    try:
        with np.load(BytesIO(bundle.read(GOLDEN)), allow_pickle=False) as arrays:
            images, expected = arrays["images"], arrays["probabilities"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{bundle.path}: {GOLDEN} is not readable ({error}); export again") from error
    size = bundle.manifest.preprocessing.size
    count = bundle.manifest.golden.get("images")
    fits = images.shape == (count, size, size) and expected.shape == (count, len(bundle.manifest.classes))
    if not fits or not count or images.dtype != np.uint8 or expected.dtype != np.float32:
        raise BundleError(f"{bundle.path}: {GOLDEN} holds {images.shape}, {expected.shape}; export again")
    return images, expected


def check_parity(bundle: Bundle, backend: Backend) -> Parity:
    """Run the golden images and insist on the expected answers.

    Raises:
        BundleError: golden.npz is not readable, or this machine answers differently.
    """
    parity = measure_parity(bundle, backend)
    if not parity.holds:
        raise BundleError(
            f"{bundle.path}: golden images differ by {parity.max_difference:.2g} on this machine, allowed is "
            f"{parity.tolerance:.2g}; do not use it here, see xopt doctor"
        )
    return parity


def measure_parity(bundle: Bundle, backend: Backend) -> Parity:
    """Run the golden images and compare.

    Raises:
        BundleError: golden.npz is not readable.
    """
    images, expected = read_golden(bundle)
    answers = np.stack([backend.infer(image) for image in images])
    return Parity(
        images=len(images),
        max_difference=float(np.abs(answers - expected).max()),
        tolerance=float(bundle.manifest.golden["tolerance"]),
    )
