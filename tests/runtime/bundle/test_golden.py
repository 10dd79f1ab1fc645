"""golden.npz is read without unfolding what it claims to hold."""

import resource
import zipfile
from io import BytesIO

import numpy as np
import pytest

from xopt.runtime import BundleError, Classifier
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.golden import encode_golden

from ..conftest import SIZE, small_manifest

IMAGES = np.zeros((2, SIZE, SIZE), np.uint8)
ANSWERS = np.full((2, 3), 0.5, np.float32)


def archive(**members: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def claims(shape: tuple[int, ...]) -> bytes:
    """A header of this shape, and no data."""
    buffer = BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def flipped(content: bytes) -> bytes:
    """One bit of the compressed pixels turned."""
    place = content.index(b"images.npy") + 30
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def as_encrypted(content: bytes) -> bytes:
    place = content.index(b"PK\x01\x02") + 8
    changed = bytearray(content)
    changed[place] |= 1
    changed[6] |= 1
    return bytes(changed)


def unfolding(megabytes: int) -> bytes:
    """A small archive whose first array unfolds to this much."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        with written.open("images.npy", "w") as member:
            member.write(claims(IMAGES.shape))
            for _ in range(megabytes):
                member.write(bytes(1_000_000))
        written.writestr("probabilities.npy", npy(ANSWERS))
    return buffer.getvalue()


GOOD = encode_golden(IMAGES, ANSWERS)
KINDS = {
    "nothing": b"",
    "no archive": b"x" * 100,
    "cut off": GOOD[:-30],
    "a flipped bit": flipped(GOOD),
    "encrypted": as_encrypted(GOOD),
    "other names": archive(pictures=npy(IMAGES), probabilities=npy(ANSWERS)),
    "one array": archive(images=npy(IMAGES)),
    "a third array": archive(images=npy(IMAGES), probabilities=npy(ANSWERS), more=npy(ANSWERS)),
    "objects": archive(images=npy(IMAGES.astype(object)), probabilities=npy(ANSWERS)),
    "other types": archive(images=npy(IMAGES.astype(np.float64)), probabilities=npy(ANSWERS)),
    "other shapes": archive(images=npy(IMAGES[:, :-1]), probabilities=npy(ANSWERS)),
    "in columns": archive(images=npy(np.asfortranarray(IMAGES)), probabilities=npy(ANSWERS)),
    "a claim of terabytes": archive(images=claims((10**6, 10**6)), probabilities=npy(ANSWERS)),
    "too few pixels": archive(images=claims(IMAGES.shape) + b"x", probabilities=npy(ANSWERS)),
    "too many pixels": archive(images=npy(IMAGES) + b"x", probabilities=npy(ANSWERS)),
    "no array": archive(images=b"x" * 5000, probabilities=npy(ANSWERS)),
    "a header of another version": archive(
        images=b"\x93NUMPY\x09\x00" + b" " * 5000, probabilities=npy(ANSWERS)
    ),
    "a header that is code": archive(
        images=npy(IMAGES).replace(b"False", b"xxxxx"), probabilities=npy(ANSWERS)
    ),
    "more than it says": unfolding(300),
}


@pytest.mark.parametrize("kind", KINDS)
def test_golden_images_that_cannot_be_read_are_a_bundle_error(tmp_path, files, kind):
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "golden.npz": KINDS[kind]})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match=r"golden\.npz is not readable") as caught:
        Classifier.load(tmp_path / "b.xopt", verify="full")
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("count", [0, -1, 10**9, None, "2", 2.0])
def test_a_number_of_golden_images_that_cannot_be_is_refused(tmp_path, files, count):
    write_bundle(tmp_path / "b.xopt", small_manifest(golden={"images": count, "tolerance": 1e-4}), files)
    with pytest.raises(BundleError, match="a bundle has 1 to 64 golden images"):
        Classifier.load(tmp_path / "b.xopt", verify="full")


@pytest.mark.parametrize("verify", ["digest", "full"])
def test_changed_answers_with_fitting_digests_are_seen_by_full_verification_alone(tmp_path, files, verify):
    wrong = encode_golden(IMAGES, ANSWERS * 0.9)
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "golden.npz": wrong})
    if verify == "digest":
        Classifier.load(tmp_path / "b.xopt", verify=verify).close()
        return
    with pytest.raises(BundleError, match="golden images differ by"):
        Classifier.load(tmp_path / "b.xopt", verify=verify)


def test_answers_that_are_no_numbers_are_not_met(tmp_path, files):
    wrong = encode_golden(IMAGES, np.full((2, 3), np.nan, np.float32))
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "golden.npz": wrong})
    with pytest.raises(BundleError, match="golden images differ"):
        Classifier.load(tmp_path / "b.xopt", verify="full")
