"""Copies of an image under another name: what gates must not calibrate."""

import shutil
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import open_source
from xopt.datasets.roles import Scored, joined, pixel_digests
from xopt.optimize import quantize_bundle
from xopt.optimize.gate.image_copies import leave_out_copies
from xopt.optimize.gate.thresholds import set_thresholds
from xopt.optimize.quantize.calibration import draw_calibration
from xopt.runtime import Bundle, DataError, Preprocessing

from ..conftest import CROP, SIZE

PREPROCESSING = Preprocessing.square(SIZE, CROP)


@pytest.fixture
def data(small, tmp_path):
    return shutil.copytree(small.data, tmp_path / "data")


def add_copies(data, count: int) -> tuple[str, ...]:
    """Put images of the train split into the split that gates, under other names."""
    names = open_source(data).split("train").images[:count]
    with (data / "val_list.txt").open("a") as file:
        for number, name in enumerate(names):
            shutil.copy(data / "images" / name, data / "images" / f"copy{number}.png")
            file.write(f"copy{number}.png 1 0 0 0 0 0\n")
    return names


def settled(data, count: int = 500):
    dataset = open_source(data)
    scored = Scored(split=dataset.split("val"), preprocessing=PREPROCESSING)
    return leave_out_copies(draw_calibration(dataset, count), [scored], PREPROCESSING)


def test_a_stray_copy_is_left_out_and_counted(data):
    whole = settled(data)
    assert whole.copies == 0
    (stray,) = add_copies(data, 1)
    rest = settled(data)
    assert rest.copies == 1
    assert set(whole.images.images) - set(rest.images.images) == {stray}
    assert rest.pixels == pixel_digests(rest.images, PREPROCESSING)


def test_splits_that_share_images_under_other_names_are_refused(data):
    names = add_copies(data, 8)
    said = rf"8 of \d+ calibration images are also in split val .*\({names[0]} is copy0.png\)"
    with pytest.raises(DataError, match=said):
        settled(data)


def test_quantizing_on_such_splits_exits_1_before_the_work(small, data, tmp_path, xopt):
    add_copies(data, 8)
    words = ("--data", data, "--out", tmp_path / "b.xopt", "--calibration-size", "500")
    done = xopt("quantize", small.bundle, *words)
    assert (done.code, done.out) == (1, "")
    assert "may calibrate or gate, not both" in done.err
    assert not (tmp_path / "b.xopt").exists()


@pytest.mark.parametrize("part", ["alignment", "calibration"])
def test_images_that_fitted_a_bundle_neither_gate_it_nor_choose_its_thresholds(small, data, tmp_path, part):
    dataset = open_source(data)
    used = dataset.split("val").select(range(4))
    facts = {"images": ["another name"] * 4, "pixels": joined(pixel_digests(used, PREPROCESSING))}
    parent = Bundle.open(small.bundle)
    fitted = replace(parent, manifest=replace(parent.manifest, provenance={part: facts}))
    with pytest.raises(DataError, match=r"4 of the images to score .*there called another name"):
        quantize_bundle(fitted, dataset, tmp_path / "b.xopt")
    with pytest.raises(DataError, match="4 of the images to score"):
        set_thresholds(fitted, dataset, tmp_path / "t.xopt")
