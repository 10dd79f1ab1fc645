import json

import numpy as np
import pytest
from PIL import Image

from xopt.runtime.bundle.folder import write_bundle
from xopt.runtime.bundle.golden import encode_golden

from ..conftest import SIZE, small_manifest


def test_verify_says_what_was_checked(bundle, xopt):
    done = xopt("verify", bundle)
    assert done.code == 0
    assert "is intact: 3 files" in done.out
    assert "golden images  2" in done.out


def test_verify_gives_the_same_as_json(bundle, xopt):
    done = xopt("verify", bundle, "--json")
    facts = json.loads(done.out)
    assert facts["golden"]["max_difference"] <= facts["golden"]["tolerance"]
    assert set(facts["files"]) == {"model.xml", "model.bin", "golden.npz"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: (b / "model.bin").write_bytes((b / "model.bin").read_bytes()[:-1] + b"\xff"),
        lambda b: (b / "golden.npz").unlink(),
        lambda b: (b / "note.txt").write_text("x"),
        lambda b: (b / "model.xml").rename(b.parent / "m") and (b / "model.xml").symlink_to(b.parent / "m"),
    ],
    ids=["byte", "missing", "added", "link"],
)
def test_verify_refuses_a_changed_bundle_in_one_line(bundle, xopt, damage):
    damage(bundle)
    done = xopt("verify", bundle)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("xopt: ")
    assert done.err.count("\n") == 1


def test_verify_refuses_other_answers_on_this_machine(tmp_path, files, xopt):
    images = np.zeros((2, SIZE, SIZE), np.uint8)
    wrong = encode_golden(images, np.full((2, 3), 0.9, np.float32))
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "golden.npz": wrong})
    done = xopt("verify", tmp_path / "b.xopt")
    assert done.code == 1
    assert "golden images differ" in done.err


def test_predict_writes_a_row_an_image_and_keeps_going_past_a_bad_one(bundle, tmp_path, xopt):
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "deep/c.PNG"):
        Image.fromarray(np.full((40, 40), 90, np.uint8)).save(
            folder / name, format="JPEG" if "jpg" in name else "PNG"
        )
    (folder / "bad.png").write_bytes(b"x")
    done = xopt("predict", bundle, folder, "--out", tmp_path / "p.csv")
    assert done.code == 1
    assert "bad.png" in done.err
    assert "1 of 4 images" in done.err
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert rows[0] == "image,Bright,Left,Top"
    assert [row.split(",")[0] for row in rows[1:]] == ["a.jpg", "b.png", "deep/c.PNG"]


def test_predict_refuses_to_overwrite_before_it_works(bundle, tmp_path, xopt):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "p.csv").write_text("precious")
    done = xopt("predict", bundle, tmp_path / "x.png", "--out", tmp_path / "p.csv")
    assert (done.code, (tmp_path / "p.csv").read_text()) == (1, "precious")
    assert xopt("predict", bundle, tmp_path / "x.png", "--out", tmp_path / "p.csv", "--force").code == 0


@pytest.mark.parametrize(
    ("make", "match"), [(lambda p: None, "no image or folder"), (lambda p: p.mkdir(), "no image in")]
)
def test_predict_names_a_place_without_images(bundle, tmp_path, xopt, make, match):
    make(tmp_path / "place")
    done = xopt("predict", bundle, tmp_path / "place")
    assert done.code == 1
    assert match in done.err


def test_two_images_of_one_name_are_refused(bundle, tmp_path, xopt):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / folder / "x.png")
    done = xopt("predict", bundle, tmp_path / "a", tmp_path / "b")
    assert done.code == 1
    assert "would both be named x.png" in done.err
