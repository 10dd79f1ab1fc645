"""Malformed images: refused or decoded rightly in 30 s of CPU and 512 MB; flipped bits raise nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xopt.runtime import InputError
from xopt.runtime.images.image import decode

from . import malformed_dicom, malformed_dicom_frames, malformed_jpeg, malformed_png  # noqa: F401
from .dicom_files import J2K_LOSSLESS, JPEG, PATIENT, RLE, compressed, dicom, lut, run_lengths
from .malformed_images import KINDS
from .malformed_jpeg import jpeg
from .malformed_png import chunk, header, png, rows

ROOT = Path(__file__).resolve().parents[3]
FLIPS = 5000
MOST_MB = 512
NOISE = np.random.default_rng(0).integers(0, 256, (24, 20), dtype=np.uint8)


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, float | str]]:
    """Every kind, decoded in a child of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.images.measure_malformed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # What pydicom or Pillow print on the way would stand here.
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_corpus_has_sixty_kinds_and_all_formats():
    assert len(KINDS) >= 60
    assert {name.split()[0] for name in KINDS} >= {"png", "jpeg", "dicom"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_image_is_refused_or_decoded_rightly_in_time_and_memory(measured, kind):
    found = measured[kind]
    assert found["outcome"] in ("refused", "right"), found["message"]
    assert found["mb"] <= MOST_MB
    assert "\n" not in found["message"]
    assert not any(part in found["message"] for part in PATIENT.split("^"))


def flipped(content: bytes, seed: int, times: int = FLIPS):
    """The content with one bit flipped, at random places: (content, place)."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        place, bit = int(rng.integers(len(content))), int(rng.integers(8))
        yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :], place


def decoded(content: bytes) -> np.ndarray | None:
    """The image, None where it is refused."""
    try:
        return decode(content)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert "SECRET" not in message
    return None


@pytest.mark.slow
def test_a_flipped_bit_in_a_png_never_changes_a_pixel():
    content = png(header(20, 24), chunk(b"tEXt", b"a\0" + b"b" * 40), chunk(b"IDAT", rows(NOISE)))
    refused = 0
    for damaged, _ in flipped(content, seed=1):
        image = decoded(damaged)
        refused += image is None
        assert image is None or np.array_equal(image, NOISE)
    # Not one bit of a PNG stands outside its signature, lengths and checksums.
    assert refused == FLIPS


@pytest.mark.slow
@pytest.mark.parametrize("progressive", [False, True])
def test_a_flipped_bit_in_a_jpeg_gives_an_image_or_an_input_error(progressive):
    content = jpeg(Image.fromarray(NOISE), progressive=progressive)
    frame = content.find(b"\xff\xc2" if progressive else b"\xff\xc0")
    for damaged, place in flipped(content, seed=2, times=FLIPS // 2):
        image = decoded(damaged)
        if image is None:
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 2
        # The size itself has no checksum either.
        assert image.shape == NOISE.shape or frame <= place < frame + 9


DICOMS = {
    "native": lambda: dicom(
        NOISE.astype(np.uint16) * 16, WindowCenter=["2000", "9"], WindowWidth=["900", "8"]
    ),
    "native with tables": lambda: dicom(NOISE, VOILUTSequence=lut(0, 8, list(range(256)))),
    "run lengths": lambda: dicom(NOISE, syntax=RLE, frame=run_lengths(NOISE)),
    "jpeg": lambda: dicom(NOISE, syntax=JPEG, frame=compressed(NOISE, "JPEG")),
    "jpeg 2000": lambda: dicom(
        np.tile(NOISE, (2, 2)), syntax=J2K_LOSSLESS, frame=compressed(np.tile(NOISE, (2, 2)), "JPEG2000")
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # pydicom warns of what it repairs; as errors they would hide others
@pytest.mark.parametrize("name", DICOMS)
def test_a_flipped_bit_in_a_dicom_gives_an_image_of_its_size_or_an_input_error(name, caplog):
    content = DICOMS[name]()
    shape = decode(content).shape
    for damaged, _ in flipped(content, seed=3, times=FLIPS // len(DICOMS)):
        image = decoded(damaged)
        if image is not None:
            assert image.dtype == np.uint8
            assert image.shape == shape
    assert "SECRET" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: png(header(20, 24), chunk(b"IDAT", rows(NOISE))), DICOMS["native"]])
def test_a_file_cut_anywhere_is_refused(make):
    content = make()
    # What stands behind the end is no part of the image.
    for length in range(len(content) - 1):
        assert decoded(content[:length]) is None
