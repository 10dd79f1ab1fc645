"""DICOM to grey: varieties against the formulas of the standard, refusals by name, no patient in sight."""

import base64
import logging
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from xopt.runtime import DependencyError, InputError
from xopt.runtime.images.image import decode, decode_with_notes

from . import dicom_files as files
from .dicom_files import PATIENT, compressed, dicom, lut, luts, run_lengths

# 64 x 64 pixels of 40 y + 20 x in 12 bits, once as they are and once less 2048, by OpenJPEG 2.5.
J2K_12_BIT = (
    "|4;u>04V?f0000$0000$00000000000000$0000$0000000000009dD0sm3}3;+NC0RROA1ONg5TmTb5U}$J?XlQU~XmDs~aA;_7"
    "|6~9q00BdCWnpw>WFTUBAWv{*Zc0!^M<8}(a&u{KZXhx)H7+v$kN^q*00000i~s@uli%PR2de^%ND_a+`GQ0C1ON>HRlf^7tlq%<"
    "0bu;WfFc>w918<~yUa1mz<r?bKLCI>p_;_bw2M8aG&C}#1@*u_ptujTG+(F3iTTyA1`3&<ovbN9Mgdv@g0%}t<iH;|xChi2i(&z*"
    "q2FQvVIeQ!jbf*NYFfwx2?>Ay*#"
)
J2K_12_BIT_SIGNED = (
    "|4;u>04V?f0000$0000$00000000000000$0000$000000000000D~u0sm3}3;+NC0RROA1ONg5TmTb5U}$J?XlQU~XmDs~aA;_7"
    "|6~9q00BdCWnpw>WFTUBAWv{*Zc0!^M<8}(a&u{KZXhx)H7+v$kN^q*00000i~s@uli%PR2de^%ND_a+`GQ0C1ON>HRlf^7tlq%<"
    "0bu;WfFc>w918<~yUa1mz<r?bKLCI>p_;_bw2M8aG&C}#1@*u_ptujTG+(F3iTTyA1`3&<ovbN9Mgdv@g0%}t<iH;|xChi2i(&z*"
    "q2FQvVIeQ!jbf*NYFfwx2?>Ay*#"
)

_Y, _X = np.mgrid[0:64, 0:64]
EIGHT = ((_Y * 3 + _X) % 256).astype(np.uint8)
TWELVE = (_Y * 40 + _X * 20).astype(np.uint16)
TEN = (TWELVE // 4).astype(np.uint16)
SIXTEEN = (TWELVE * 17).astype(np.uint16)
SIGNED = (TWELVE.astype(np.int32) - 2048).astype(np.int16)
SIGNED_EIGHT = (EIGHT.astype(np.int16) - 128).astype(np.int8)
ODD = EIGHT[:7, :9].copy()
SMOOTH = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))


def full(values, lowest=None, highest=None):
    """No window: the lowest value black, the highest white."""
    lowest = values.min() if lowest is None else lowest
    highest = values.max() if highest is None else highest
    return (values.astype(float) - lowest) / (float(highest) - lowest) * 255


def linear(x, c, w):
    """PS3.3 C.11.2.1.2.1, word by word."""
    x = x.astype(float)
    middle = ((x - (c - 0.5)) / max(w - 1, 1e-9) + 0.5) * 255
    low, high = x <= c - 0.5 - (w - 1) / 2, x > c - 0.5 + (w - 1) / 2
    return np.select([low, high], [0.0, 255.0], middle)


def linear_exact(x, c, w):
    """PS3.3 C.11.2.1.3.2, word by word."""
    x = x.astype(float)
    return np.select([x <= c - w / 2, x > c + w / 2], [0.0, 255.0], ((x - c) / w + 0.5) * 255)


def sigmoid(x, c, w):
    """PS3.3 C.11.2.1.3.1, word by word."""
    return 255 / (1 + np.exp(-4 * (x.astype(float) - c) / w))


def window(centre, width, **more):
    return {"WindowCenter": centre, "WindowWidth": width, **more}


def encoded(text):
    return base64.b85decode(text)


def overlaid(values):
    """Twelve bits stored, and an overlay in the four above them."""
    return (values | (values % 7 == 0).astype(np.uint16) << 13).astype(np.uint16)


VARIETIES = {
    "8-bit": (lambda: dicom(EIGHT), full(EIGHT)),
    "8-bit, odd size": (lambda: dicom(ODD), full(ODD)),
    "8-bit signed": (lambda: dicom(SIGNED_EIGHT), full(SIGNED_EIGHT)),
    "10 of 16 bits": (lambda: dicom(TEN, stored=10), full(TEN)),
    "12 of 16 bits": (lambda: dicom(TWELVE, stored=12), full(TWELVE)),
    "12 of 16 bits, at the top": (lambda: dicom(TWELVE * 16, stored=12, HighBit=15), full(TWELVE)),
    "12 of 16 bits under an overlay": (lambda: dicom(overlaid(TWELVE), stored=12), full(TWELVE)),
    "16-bit": (lambda: dicom(SIXTEEN), full(SIXTEEN)),
    "16-bit signed": (lambda: dicom(SIGNED), full(SIGNED)),
    "12 of 16 bits signed": (lambda: dicom(SIGNED & 0xFFF, stored=12, PixelRepresentation=1), full(SIGNED)),
    "constant": (lambda: dicom(np.full((4, 4), 7, np.uint16)), np.zeros((4, 4))),
    "MONOCHROME1": (
        lambda: dicom(TWELVE, PhotometricInterpretation="MONOCHROME1"),
        255 - full(TWELVE),
    ),
    "MONOCHROME1 with a window": (
        lambda: dicom(TWELVE, PhotometricInterpretation="MONOCHROME1", **window(900, 700)),
        255 - linear(TWELVE, 900, 700),
    ),
    "implicit": (lambda: dicom(TWELVE, syntax=files.IMPLICIT, **window(900, 700)), linear(TWELVE, 900, 700)),
    "big-endian": (lambda: dicom(TWELVE, syntax=files.BIG, **window(900, 700)), linear(TWELVE, 900, 700)),
    "big-endian 8-bit": (lambda: dicom(EIGHT, syntax=files.BIG), full(EIGHT)),
    "deflated": (lambda: dicom(TWELVE, syntax=files.DEFLATED), full(TWELVE)),
    "rescaled": (
        lambda: dicom(TWELVE, RescaleSlope="0.5", RescaleIntercept="-100", **window(200, 300)),
        linear(TWELVE * 0.5 - 100, 200, 300),
    ),
    "rescaled by a negative slope": (
        lambda: dicom(SIGNED, RescaleSlope="-1", RescaleIntercept="4095"),
        full(4095 - SIGNED.astype(int)),
    ),
    "linear of width 1": (lambda: dicom(TWELVE, **window(900, 1)), np.where(TWELVE > 899.5, 255.0, 0.0)),
    "linear exact": (
        lambda: dicom(TWELVE, **window(900, 700, VOILUTFunction="LINEAR_EXACT")),
        linear_exact(TWELVE, 900, 700),
    ),
    "sigmoid": (
        lambda: dicom(TWELVE, **window(900, 700, VOILUTFunction="SIGMOID")),
        sigmoid(TWELVE, 900, 700),
    ),
    "sigmoid, steep": (
        lambda: dicom(TWELVE, **window(901, 0.001, VOILUTFunction="SIGMOID")),
        np.where(TWELVE > 901, 255.0, 0.0),
    ),
    "several windows": (
        lambda: dicom(TWELVE, **window(["900", "2000"], ["700", "50"])),
        linear(TWELVE, 900, 700),
    ),
    "VOI LUT of 8 bits": (
        lambda: dicom(TWELVE, VOILUTSequence=lut(1000, 8, list(range(256)))),
        np.clip(TWELVE.astype(float) - 1000, 0, 255),
    ),
    "VOI LUT of 12 bits, implicit": (
        lambda: dicom(TWELVE, syntax=files.IMPLICIT, VOILUTSequence=lut(0, 12, list(range(0, 4096, 2)))),
        np.clip(TWELVE.astype(float), 0, 2047) * 2 / 4095 * 255,
    ),
    "VOI LUT from a negative value": (
        lambda: dicom(SIGNED, VOILUTSequence=lut(-100, 8, list(range(256)))),
        np.clip(SIGNED.astype(float) + 100, 0, 255),
    ),
    "the first of two VOI LUTs, before a window": (
        lambda: dicom(
            TWELVE, VOILUTSequence=luts((0, 8, [7] * 9), (0, 8, list(range(9)))), **window(900, 700)
        ),
        np.full((64, 64), 7.0),
    ),
    "modality LUT": (
        lambda: dicom(EIGHT, ModalityLUTSequence=lut(0, 12, [v * v // 16 for v in range(256)])),
        full(EIGHT.astype(int) ** 2 // 16),
    ),
    "RLE of 8 bits": (lambda: dicom(EIGHT, syntax=files.RLE, frame=run_lengths(EIGHT)), full(EIGHT)),
    "RLE of 16 bits": (lambda: dicom(TWELVE, syntax=files.RLE, frame=run_lengths(TWELVE)), full(TWELVE)),
    "JPEG baseline": (
        lambda: dicom(
            SMOOTH, syntax=files.JPEG, frame=compressed(SMOOTH, "JPEG", quality=100), **window(128, 256)
        ),
        SMOOTH,
    ),
    "JPEG 2000 lossless of 8 bits": (
        lambda: dicom(EIGHT, syntax=files.J2K_LOSSLESS, frame=compressed(EIGHT, "JPEG2000")),
        full(EIGHT),
    ),
    "JPEG 2000 lossless of 16 bits": (
        lambda: dicom(SIXTEEN, syntax=files.J2K_LOSSLESS, frame=compressed(SIXTEEN, "JPEG2000")),
        full(SIXTEEN),
    ),
    "JPEG 2000 lossless of 12 bits": (
        lambda: dicom(TWELVE, syntax=files.J2K_LOSSLESS, stored=12, frame=encoded(J2K_12_BIT)),
        full(TWELVE),
    ),
    "JPEG 2000 lossless of 12 bits, signed": (
        lambda: dicom(SIGNED, syntax=files.J2K_LOSSLESS, stored=12, frame=encoded(J2K_12_BIT_SIGNED)),
        full(SIGNED),
    ),
    "JPEG 2000 lossy": (
        lambda: dicom(
            SMOOTH,
            syntax=files.J2K,
            frame=compressed(SMOOTH, "JPEG2000", irreversible=True, quality_layers=[4]),
            **window(128, 256),
        ),
        SMOOTH,
    ),
}


@pytest.mark.parametrize("variety", VARIETIES)
def test_a_dicom_is_within_one_grey_level_of_the_formulas_of_the_standard(variety):
    make, expected = VARIETIES[variety]
    image = decode(make())
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert np.abs(image.astype(float) - expected).max() <= 1


def test_our_greys_are_those_of_pydicoms_own_transformations():
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    content = dicom(TWELVE, RescaleSlope="2", RescaleIntercept="-7", **window(3000, 2500))
    data = dcmread(BytesIO(content))
    theirs = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data)
    # pydicom spreads a window over the range of the modality values, here of 16 bits times 2, less 7.
    theirs = (theirs - theirs.min()) / (theirs.max() - theirs.min()) * 255
    assert np.abs(decode(content) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda: dicom(TWELVE), "none; the image's 0..3780"),
        (
            lambda: dicom(TWELVE, **window(["9", "5"], ["7", "3"])),
            "LINEAR, centre 9, width 7; the first of 2",
        ),
        (
            lambda: dicom(TWELVE, VOILUTSequence=lut(0, 8, [0, 255])),
            "look-up table of 2 entries, 8 bits; the first of 1",
        ),
    ],
)
def test_how_the_window_was_chosen_is_told(content, expected):
    assert decode_with_notes(content()).notes["window"] == expected


def test_the_notes_of_a_dicom_tell_what_decided_its_greys():
    content = dicom(TWELVE, stored=12, PhotometricInterpretation="MONOCHROME1", RescaleSlope="2")
    assert decode_with_notes(content).notes == {
        "format": "DICOM",
        "transfer_syntax": "Explicit VR Little Endian",
        "photometric": "MONOCHROME1, inverted",
        "stored": "12 of 16 bits, unsigned",
        "modality": "slope 2, intercept 0",
        "window": "none; the image's 0..7560",
    }


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (lambda: dicom(EIGHT, NumberOfFrames=3), "holds 3 DICOM frames"),
        (lambda: dicom(EIGHT, PhotometricInterpretation="RGB", SamplesPerPixel=3), r"colour DICOM \(RGB\)"),
        (lambda: dicom(EIGHT, PhotometricInterpretation="PALETTE COLOR"), "PALETTE COLOR"),
        (lambda: dicom(EIGHT, syntax="1.2.840.10008.1.2.4.70", frame=b"xx"), "JPEG Lossless"),
        (lambda: dicom(EIGHT, syntax="1.2.840.10008.1.2.4.80", frame=b"xx"), "JPEG-LS"),
        (lambda: dicom(EIGHT, syntax="1.2.840.10008.1.2.4.201", frame=b"xx"), "High-Throughput JPEG 2000"),
        (lambda: dicom(EIGHT, without=("PixelData",)), "without pixel data"),
        (lambda: dicom(EIGHT, Rows=60000, Columns=60000), "60000 x 60000 pixels"),
        (lambda: dicom(EIGHT, BitsAllocated=32), "32 bits a pixel allocated"),
    ],
)
def test_what_is_not_read_is_refused_by_name_in_one_line(content, match):
    with pytest.raises(InputError, match=match) as caught:
        decode(content())
    assert "\n" not in str(caught.value)
    assert PATIENT not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        b"1.2.840.10008.1.2.1\0",
        b"MONOCHROME2 ",
        b"LINEAR_EXACT",
        b"1111111111111111",
        b"2222222222222222",
        b"3333333333333333",
        b"4444444444444444",
    ],
    ids=["transfer syntax", "photometric", "function", "slope", "intercept", "centre", "width"],
)
@pytest.mark.parametrize("name", [PATIENT.encode(), b"SECRETNAME JANE"])
def test_a_name_in_the_place_of_a_value_reaches_no_message_warning_or_log(value, name, caplog):
    content = dicom(
        EIGHT,
        **window("3" * 16, "4" * 16, VOILUTFunction="LINEAR_EXACT"),
        RescaleSlope="1" * 16,
        RescaleIntercept="2" * 16,
    )
    assert content.count(value) == 1
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert decode(content).shape == EIGHT.shape
        with pytest.raises(InputError) as caught:
            decode(content.replace(value, name.ljust(len(value))[: len(value)]))
    assert caught.value.__cause__ is None
    assert "SECRET" not in str(caught.value)
    assert [str(w.message) for w in warned] == []
    assert caplog.text == ""


def test_a_dicom_is_recognised_by_its_bytes_whatever_its_name(tmp_path):
    (tmp_path / "x.png").write_bytes(dicom(EIGHT))
    np.testing.assert_array_equal(decode(tmp_path / "x.png"), decode(dicom(EIGHT)))


@pytest.mark.parametrize("suffix", [".dcm", ".DICOM"])
def test_dicom_files_are_found_in_folders(tmp_path, suffix):
    from xopt.runtime.prediction import find_pictures

    (tmp_path / f"x{suffix}").write_bytes(b"")
    assert [p.name for p in find_pictures([tmp_path])] == [f"x{suffix}"]


def test_without_the_extra_a_dicom_names_its_install_line(monkeypatch):
    content = dicom(EIGHT)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DependencyError, match=r'pip install "xopt-edge\[dicom\]"'):
        decode(content)


def test_a_dicom_that_begins_like_a_png_is_still_a_dicom():
    from io import BytesIO

    preamble = BytesIO()
    Image.new("L", (1, 1)).save(preamble, format="PNG")
    content = preamble.getvalue()[:128].ljust(128, b"\0") + dicom(EIGHT)[128:]
    assert decode(content).shape == EIGHT.shape
