"""No image has two roles: what fitted a bundle or decided about it is found again, by name and by pixels."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from xopt.datasets import open_source
from xopt.datasets.roles import Scored, check_fitted, check_roles, joined, pixel_digests
from xopt.runtime import Bundle, DataError
from xopt.runtime.bundle.bundle import write_bundle

from ..small_network import PREPROCESSING


@pytest.fixture
def data(small, tmp_path):
    """A copy of the data, for lists to be changed and images to be added."""
    return shutil.copytree(small.data, tmp_path / "data")


def add_copy(data, of: str, name: str, to: str) -> None:
    """Put an image into another split under another name, in another file of the same pixels."""
    with Image.open(data / "images" / of) as picture:
        picture.save(data / "images" / name, compress_level=1)
    with (data / f"{to}_list.txt").open("a") as file:
        file.write(f"{name} 1 0 0 0 0 0\n")


def scored(dataset, name: str) -> Scored:
    return Scored(split=dataset.split(name), preprocessing=PREPROCESSING)


def part_of(split, *, names=True, pixels=True, whole=False):
    """What a manifest says of the images that had a part in it."""
    facts = {"split": split.name, "digest": split.digest if whole else "0"}
    if names:
        facts["images"] = list(split.images)
    if pixels:
        facts["pixels"] = joined(pixel_digests(split, PREPROCESSING))
    return facts


def made_with(small, **provenance):
    """A bundle whose manifest says this of where it is from."""
    bundle = Bundle.open(small.bundle)
    return replace(bundle, manifest=replace(bundle.manifest, provenance=provenance))


def written(small, path, **provenance):
    made = made_with(small, **provenance)
    files = {name: made.read(name) for name in made.manifest.files}
    return write_bundle(path, replace(made.manifest, files={}), files).path


def test_a_digest_is_of_the_pixels_not_of_the_file(small, data):
    one = open_source(data).split("train").images[0]
    add_copy(data, one, "other.png", "test")
    assert (data / "images" / one).read_bytes() != (data / "images" / "other.png").read_bytes()
    dataset = open_source(data)
    train, test = (pixel_digests(dataset.split(name), PREPROCESSING) for name in ("train", "test"))
    assert test[-1] == train[0]
    assert len(set(train)) == len(train)
    assert not set(train) & set(test[:-1])


@pytest.mark.parametrize(("part", "did"), [("calibration", "calibrated"), ("alignment", "aligned")])
@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "names alone"])
def test_images_that_fitted_a_bundle_are_not_scored(small, part, did, pixels):
    dataset = open_source(small.data)
    used = dataset.split("train").select(range(3, 9))
    fitted = made_with(small, **{part: part_of(used, pixels=pixels)})
    bundles = [Bundle.open(small.bundle), fitted]
    check_fitted(bundles, scored(dataset, "test"))
    with pytest.raises(DataError, match=rf"6 of the images to score {did} .*not train"):
        check_fitted(bundles, scored(dataset, "train"))
    with pytest.raises(DataError, match=did):
        check_roles(bundles, dataset, scored(dataset, "train"), allow_gate_images=True)


@pytest.mark.parametrize("part", ["calibration", "alignment"])
def test_a_renamed_copy_of_an_image_that_fitted_a_bundle_is_found(small, data, part):
    used = open_source(data).split("train")
    fitted = made_with(small, **{part: part_of(used)})
    check_fitted([fitted], scored(open_source(data), "test"))
    add_copy(data, used.images[5], "renamed.png", "test")
    said = rf"1 of the images to score .*\(renamed.png is one, there called {used.images[5]}\)"
    with pytest.raises(DataError, match=said):
        check_fitted([fitted], scored(open_source(data), "test"))


@pytest.mark.parametrize(
    ("part", "did"), [("gate", "gated"), ("operating_points", "chose the thresholds of")]
)
@pytest.mark.parametrize("known_by", ["pixels", "the digest of the list"])
def test_images_that_decided_about_a_bundle_are_not_reported_unless_allowed(small, part, did, known_by):
    dataset = open_source(small.data)
    facts = part_of(dataset.split("val"), names=False, pixels=known_by == "pixels", whole=True)
    decided = made_with(small, **{part: facts})
    assert check_roles([decided], dataset, scored(dataset, "test")) == ()
    count = len(dataset.split("val"))
    with pytest.raises(DataError, match=rf"{count} of the images to score {did} .*--allow-gate-images"):
        check_roles([decided], dataset, scored(dataset, "val"))
    (note,) = check_roles([decided], dataset, scored(dataset, "val"), allow_gate_images=True)
    assert note.startswith(f"{count} of the images to score {did} ")
    # Thresholds may be chosen where the gate was: both decide.
    check_fitted([decided], scored(dataset, "val"))


def test_a_renamed_copy_of_an_image_that_gated_is_found(small, data):
    dataset = open_source(data)
    gated = made_with(small, gate=part_of(dataset.split("val"), names=False, whole=True))
    add_copy(data, dataset.split("val").images[0], "renamed.png", "test")
    with pytest.raises(DataError, match=r"1 of the images to score gated .*\(renamed.png is one\)"):
        check_roles([gated], open_source(data), scored(open_source(data), "test"))


@pytest.mark.parametrize("part", ["calibration", "gate"])
def test_other_images_of_the_same_patient_are_worth_a_note(small, data, part):
    """phantom00001_09 is of the patient of phantom00001_00, which is in the train split."""
    dataset = open_source(data)
    split = dataset.split("train" if part == "calibration" else "val")
    first = split.images[0]
    again = first.replace("_00", "_09")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 96), dtype=np.uint8)).save(
        data / "images" / again
    )
    with (data / "test_list.txt").open("a") as file:
        file.write(f"{again} 1 0 0 0 0 0\n")
    facts = part_of(split, names=part == "calibration", whole=True)
    changed = open_source(data)
    (note,) = check_roles([made_with(small, **{part: facts})], changed, scored(changed, "test"))
    assert "other images of 1 patients of split test" in note
    assert f"({split.patients[0]} is one)" in note


def test_where_images_are_absent_names_are_looked_up_and_it_is_said(small, data):
    dataset = open_source(data)
    made = made_with(
        small,
        calibration=part_of(dataset.split("train")),
        gate=part_of(dataset.split("val"), names=False, whole=True),
    )
    shutil.rmtree(data / "images")
    (note,) = check_roles([made], dataset, scored(dataset, "test"))
    assert note.startswith("images of split test are absent")
    for name in ("train", "val"):
        with pytest.raises(DataError, match="of the images to score"):
            check_roles([made], dataset, scored(dataset, name))


def test_a_bundle_that_nothing_fitted_needs_no_pixels(small, data):
    shutil.rmtree(data / "images")
    dataset = open_source(data)
    assert check_roles([Bundle.open(small.bundle)], dataset, scored(dataset, "test")) == ()


@pytest.fixture
def predicted(data, tmp_path):
    """Predictions of the split val, as anybody's."""
    dataset = open_source(data)
    file = tmp_path / "p.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["image", *dataset.classes])
        rows.writerows([image, *[0.5] * len(dataset.classes)] for image in dataset.split("val").images)
    return file


@pytest.mark.parametrize("command", ["bench", "score"])
@pytest.mark.parametrize("part", ["calibration", "gate"])
def test_the_commands_refuse_with_exit_1_and_one_line(small, data, predicted, tmp_path, xopt, command, part):
    split = open_source(data).split("val")
    path = written(small, tmp_path / "b.xopt", **{part: part_of(split, names=False, whole=True)})
    words = {"bench": ["bench", path], "score": ["score", predicted, "--bundle", path]}[command]
    done = xopt(*words, "--data", data, "--split", "val")
    assert (done.code, done.out) == (1, "")
    assert f"{len(split)} of the images to score" in done.err
    assert done.err.count("\n") == 1


def test_what_was_allowed_stands_beside_the_scores(small, data, predicted, tmp_path, xopt):
    gated = part_of(open_source(data).split("val"), names=False, whole=True)
    path = written(small, tmp_path / "b.xopt", gate=gated)
    words = ("score", predicted, "--bundle", path, "--data", data, "--split", "val", "--allow-gate-images")
    done = xopt(*words)
    assert done.code == 0, done.err
    assert "Note: " in done.out
    assert "better than elsewhere" in done.out
    assert "better than elsewhere" in json.loads(xopt(*words, "--json").out)["notes"][0]
