import numpy as np
import pytest
from PIL import Image


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
