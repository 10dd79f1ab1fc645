"""The C++ and C programs of runtime/embed, built with warnings as errors and run on real bundles."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime import Bundle
from xopt.runtime.backends.openvino import import_openvino
from xopt.runtime.bundle.bundle import write_bundle

from ..embedding import NAMES, answered, compare, run, write_pgm
from .conftest import CLASSES, SIZE, small_manifest

HEADER = f"P5\n{SIZE} {SIZE}\n255\n".encode()
PIXELS = bytes(SIZE * SIZE)


def refused(program: Path, bundle: Path, image: Path, says: str) -> None:
    done = run(program, bundle, image)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{program.name}: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_programs_answer_as_python_does(programs, bundle, tmp_path, name):
    rng = np.random.default_rng(3)
    images = [rng.integers(0, top, (SIZE, SIZE), dtype=np.uint8) for top in (2, 20, 256)]
    compare(programs.built / name, bundle, images, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_installed_programs_need_only_the_libraries_beside_them_and_leak_nothing(
    programs, bundle, tmp_path, name
):
    images = [np.random.default_rng(4).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)]
    moved = tmp_path / "device"
    shutil.copytree(programs.shipped, moved, copy_function=os.link)
    compare(moved / name, bundle, images, tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        f"P5 {SIZE} {SIZE} 255 ".encode(),
        f"P5\n# made by a scanner: 9 9 9\n{SIZE} # width\n# and\n{SIZE}\r\n255\n".encode(),
        f"P5#\n\t{SIZE}\v{SIZE}\f00255\n".encode(),
    ],
    ids=["plain", "spaces", "comments", "blanks"],
)
def test_every_form_of_header_is_read(programs, bundle, tmp_path, name, header):
    image = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    (tmp_path / "x.pgm").write_bytes(header + image.tobytes())
    plain = answered(programs.shipped / name, bundle, write_pgm(tmp_path / "plain.pgm", image))
    assert answered(programs.shipped / name, bundle, tmp_path / "x.pgm") == plain


BAD_IMAGES = {
    "empty": (b"", "is empty"),
    "one byte": (b"P", "no binary PGM"),
    "text": (b"not an image at all, but long enough to be one", "no binary PGM"),
    "ascii PGM": (f"P2\n{SIZE} {SIZE}\n255\n".encode() + b"0 " * SIZE**2, "no binary PGM"),
    "colour": (f"P6\n{SIZE} {SIZE}\n255\n".encode() + PIXELS * 3, "no binary PGM"),
    "truncated": (HEADER + PIXELS[:-1], f"holds {SIZE * SIZE - 1} pixels"),
    "a byte too many": (HEADER + PIXELS + b"\n", f"holds {SIZE * SIZE + 1} pixels"),
    "no pixels": (HEADER, "holds 0 pixels"),
    "wrong size": (b"P5\n16 64\n255\n" + bytes(16 * 64), "16 x 64 pixels"),
    "zero size": (b"P5\n0 0\n255\n", "0 x 0 pixels"),
    "16 bit": (f"P5\n{SIZE} {SIZE}\n65535\n".encode() + PIXELS * 2, "brightest value 65535"),
    "7 bit": (f"P5\n{SIZE} {SIZE}\n127\n".encode() + PIXELS, "brightest value 127"),
    "header cut off": (f"P5\n{SIZE}".encode(), "damaged PGM header"),
    "header ends in a comment": (f"P5\n{SIZE} # and".encode(), "damaged PGM header"),
    "header without end": (f"P5\n{SIZE} {SIZE}\n255".encode(), "damaged PGM header"),
    "glued": (f"P5{SIZE} {SIZE}\n255\n".encode() + PIXELS, "damaged PGM header"),
    "negative": (f"P5\n-{SIZE} {SIZE}\n255\n".encode() + PIXELS, "damaged PGM header"),
    "a huge number": (b"P5\n99999999999999999999 1\n255\n" + PIXELS, "damaged PGM header"),
    "a zero byte": (b"P5\n32\0 32\n255\n" + PIXELS, "damaged PGM header"),
    "comment after 255": (f"P5\n{SIZE} {SIZE}\n255# x\n".encode() + PIXELS, "damaged PGM header"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_a_bad_image_is_refused_in_one_line(programs, bundle, tmp_path, name, case):
    content, says = BAD_IMAGES[case]
    (tmp_path / "x.pgm").write_bytes(content)
    refused(programs.shipped / name, bundle, tmp_path / "x.pgm", says)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.mkdir(), os.mkfifo], ids=["none", "folder", "fifo"]
)
def test_an_image_that_is_no_file_is_refused_and_never_waited_for(programs, bundle, tmp_path, name, make):
    make(tmp_path / "x.pgm")
    refused(programs.shipped / name, bundle, tmp_path / "x.pgm", "no regular file")


def without(name: str):
    return lambda bundle: (bundle / name).unlink()


def rewritten(name: str, old: bytes, new: bytes):
    def damage(bundle: Path) -> None:
        content = (bundle / name).read_bytes()
        assert old in content
        (bundle / name).write_bytes(content.replace(old, new, 1))

    return damage


BAD_BUNDLES = {
    "missing": (shutil.rmtree, "no regular file"),
    "no manifest": (without("manifest.json"), "no regular file"),
    "no graph": (without("model.xml"), "no regular file"),
    "no weights": (without("model.bin"), "no regular file"),
    "empty weights": (lambda b: (b / "model.bin").write_bytes(b""), "is empty"),
    "cut weights": (lambda b: os.truncate(b / "model.bin", 100), "OpenVINO cannot"),
    "a graph of nonsense": (lambda b: (b / "model.xml").write_bytes(b"<net>"), "OpenVINO cannot"),
    "a newer schema": (rewritten("manifest.json", b'"schema": 2', b'"schema": 3'), "schema 1 or 2"),
    "not indented": (rewritten("manifest.json", b"{\n  ", b"{ "), "schema 1 or 2"),
    "no classes": (rewritten("manifest.json", b'"classes"', b'"glasses"'), "names no classes"),
    "an escaped name": (rewritten("manifest.json", b'"Left"', b'"Le\\"ft"'), "does not read"),
    "an empty list": (rewritten("manifest.json", b'    "Bright",', b"  ],"), "does not read"),
    "a number": (rewritten("manifest.json", b'"Top"', b"3"), "does not read"),
    "a missing comma": (rewritten("manifest.json", b'"Left",', b'"Left"'), "does not end"),
    "a class too few": (rewritten("manifest.json", b'    "Left",\n', b""), "(1, 2)"),
    "cut off in a name": (lambda b: (b / "manifest.json").write_bytes(
        (b / "manifest.json").read_bytes().split(b"ft")[0]), "does not read"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_BUNDLES)
def test_a_bad_bundle_is_refused_in_one_line(programs, bundle, tmp_path, name, case):
    damage, says = BAD_BUNDLES[case]
    damage(bundle)
    (tmp_path / "x.pgm").write_bytes(HEADER + PIXELS)
    refused(programs.shipped / name, bundle, tmp_path / "x.pgm", says)


def other_graph(
    folder: Path, *, dtype: str = "uint8", shape: Sequence[int] = (1, SIZE, SIZE), output: str = "x"
):
    """A graph that is no bundle's: another type, shape or name."""
    ov = import_openvino()
    from openvino import opset13 as op

    image = op.parameter(list(shape), np.dtype(dtype), name="image")
    image.output(0).set_names({"image"})
    flat = op.reshape(op.convert(image, "f32"), np.array([1, -1], np.int64), special_zero=False)
    answer = op.sigmoid(op.slice(flat, np.array([0, 0]), np.array([1, 3]), np.array([1, 1])))
    answer.output(0).set_names({output})
    ov.save_model(ov.Model([answer], [image], "other"), folder / "model.xml", compress_to_fp16=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "differs",
    [{"output": "x"}, {"dtype": "float32"}, {"shape": (1, 1, SIZE, SIZE)}, {"shape": (1, SIZE, 2 * SIZE)}],
    ids=["name", "type", "rank", "rectangle"],
)
def test_a_graph_with_other_ports_is_refused_before_it_is_run(programs, bundle, tmp_path, name, differs):
    other_graph(bundle, **{"output": "probabilities", **differs})
    (tmp_path / "x.pgm").write_bytes(HEADER + PIXELS)
    done = run(programs.shipped / name, bundle, tmp_path / "x.pgm")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "probabilities" in done.stderr or "image" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_taken_by_name_where_a_graph_has_two(programs, bundle, files, tmp_path, name):
    ov = import_openvino()
    from openvino import opset13 as op

    model = ov.Core().read_model(files["model.xml"], ov.Tensor(np.frombuffer(files["model.bin"], np.uint8)))
    extra = op.negative(model.output(0).get_node().input_value(0))
    extra.output(0).set_names({"heatmaps"})
    two = ov.Model([extra, model.output("probabilities").get_node()], model.get_parameters(), "two")
    ov.save_model(two, tmp_path / "two.xml", compress_to_fp16=False)
    before = write_pgm(tmp_path / "x.pgm", np.full((SIZE, SIZE), 90, np.uint8))
    expected = answered(programs.built / name, bundle, before)
    for suffix in ("xml", "bin"):
        shutil.copy(tmp_path / f"two.{suffix}", bundle / f"model.{suffix}")
    assert answered(programs.built / name, bundle, before) == expected


@pytest.mark.parametrize("name", NAMES)
def test_names_beyond_ascii_come_through(programs, tmp_path, files, name):
    classes = ("Épanchement", "胸水", "Top {[,")
    manifest = small_manifest(classes=classes, thresholds=dict.fromkeys(classes, 0.5))
    write_bundle(tmp_path / "b.xopt", manifest, files)
    assert Bundle.open(tmp_path / "b.xopt").manifest.classes == classes
    (tmp_path / "x.pgm").write_bytes(HEADER + PIXELS)
    assert tuple(answered(programs.built / name, tmp_path / "b.xopt", tmp_path / "x.pgm")) == classes


@pytest.mark.parametrize("name", NAMES)
def test_wrong_usage_is_exit_code_two(programs, name):
    done = run(programs.built / name, "only-one")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {name} ")


def test_the_names_of_the_small_bundle_are_those_tested(bundle):
    assert Bundle.open(bundle).manifest.classes == CLASSES
