import csv
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xopt.datasets import load_images, open_source, phantoms
from xopt.datasets.phantom_findings import FINDINGS
from xopt.datasets.records import patient_of
from xopt.runtime.errors import OutputError
from xopt.runtime.images.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def drawn():
    return phantoms.draw(400, seed=3, size=64)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "source"
    phantoms.write(folder, count=60, seed=5, size=64)
    return folder


def test_phantoms_have_the_shapes_and_types_they_promise(drawn):
    assert drawn.images_NHW.shape == (400, 64, 64)
    assert drawn.images_NHW.dtype == np.uint8
    assert drawn.labels_NC.shape == (400, len(FINDINGS))
    assert drawn.labels_NC.dtype == np.uint8
    assert drawn.classes == FINDINGS
    assert len(set(drawn.names)) == 400


def test_the_same_seed_draws_the_same_bytes_and_another_seed_does_not(drawn):
    again, other = phantoms.draw(20, seed=3, size=64), phantoms.draw(20, seed=4, size=64)
    # Fewer images are the first of more.
    np.testing.assert_array_equal(again.images_NHW, drawn.images_NHW[:20])
    assert again.lesions == drawn.lesions[:20]
    assert not np.array_equal(other.images_NHW, again.images_NHW)


def test_findings_and_patients_do_not_depend_on_the_size(drawn):
    large = phantoms.draw(30, seed=3, size=96)
    assert large.names == drawn.names[:30]
    np.testing.assert_array_equal(large.labels_NC, drawn.labels_NC[:30])


def test_the_bytes_are_the_same_on_every_machine_and_from_release_to_release():
    # Should this change, so do all figures measured on phantoms: say so in the changelog.
    assert _digest() == DIGEST


DIGEST = "7ce72f3af529cdc6c893a4914f8d68a18b506c4f8a2b076d73de12c20bd9746a"


def _digest():
    return hashlib.sha256(phantoms.draw(12, seed=0, size=128).images_NHW.tobytes()).hexdigest()


def test_the_bytes_do_not_depend_on_the_cpu_features_numpy_uses():
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    extra = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    code = (
        "import hashlib; from xopt.datasets import phantoms;"
        "print(hashlib.sha256(phantoms.draw(12, seed=0, size=128).images_NHW.tobytes()).hexdigest())"
    )
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(extra)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == DIGEST


def test_each_finding_is_as_common_as_findings_are(drawn):
    prevalence = drawn.labels_NC.mean(axis=0)
    assert prevalence.min() > 0.10
    assert prevalence.max() < 0.40
    assert 0.05 < (drawn.labels_NC.sum(axis=1) == 0).mean() < 0.5
    assert (drawn.labels_NC.sum(axis=1) >= 2).mean() > 0.15


def test_patients_have_one_to_three_images(drawn):
    counts = np.unique([patient_of(name) for name in drawn.names], return_counts=True)[1]
    assert set(counts) == {1, 2, 3}


def test_images_of_one_patient_resemble_each_other_more_than_those_of_others(drawn):
    images = drawn.images_NHW.astype(float)
    patients = [patient_of(name) for name in drawn.names]
    healthy = [i for i in range(399) if not drawn.labels_NC[i].any()]
    same = [i for i in healthy if patients[i] == patients[i + 1] and not drawn.labels_NC[i + 1].any()]
    pairs = list(zip(healthy, healthy[5:], strict=False))
    alike = np.mean([np.corrcoef(images[i].ravel(), images[i + 1].ravel())[0, 1] for i in same])
    strangers = np.mean([np.corrcoef(images[i].ravel(), images[j].ravel())[0, 1] for i, j in pairs])
    assert alike > strangers


def test_every_label_has_one_box_inside_the_image_and_no_other_has(drawn):
    for labels, lesions in zip(drawn.labels_NC, drawn.lesions, strict=True):
        assert [lesion.finding for lesion in lesions] == [
            f for f, there in zip(FINDINGS, labels, strict=True) if there
        ]
        for box in lesions:
            assert 0 <= box.top < box.bottom <= 64
            assert 0 <= box.left < box.right <= 64


@pytest.mark.parametrize(
    ("finding", "sign"), [("Nodule", 1), ("Mass", 1), ("Consolidation", 1), ("Effusion", 1)]
)
def test_an_opacity_is_brighter_than_the_same_place_on_the_other_side(drawn, finding, sign):
    differences = []
    for image, lesions in zip(drawn.images_NHW.astype(float), drawn.lesions, strict=True):
        for box in lesions:
            if box.finding == finding and [lesion.finding for lesion in lesions] == [finding]:
                here = image[box.top : box.bottom, box.left : box.right].mean()
                there = image[:, ::-1][box.top : box.bottom, box.left : box.right].mean()
                differences.append(sign * (here - there))
    assert len(differences) > 5
    assert np.mean(differences) > 3


def test_the_pictures_have_the_contrast_of_a_chest(drawn):
    lungs, middle, corner = (
        drawn.images_NHW[:, 20:32, 10:18].mean(),
        drawn.images_NHW[:, 20:60, 30:34].mean(),
        drawn.images_NHW[:, :4, :4].mean(),
    )
    assert corner < 0.6 * lungs < 0.6 * middle
    assert middle < 245


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"count": 0}, "number of images"),
        ({"count": 100_001}, "number of images"),
        ({"seed": -1}, "seed"),
        ({"size": 8}, "size"),
    ],
)
def test_settings_out_of_range_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        phantoms.draw(**{"count": 1, "seed": 0, "size": 64, **settings})


def test_a_written_source_opens_and_holds_what_was_drawn(source):
    dataset = open_source(source)
    drawn = phantoms.draw(60, seed=5, size=64)
    assert dataset.classes == FINDINGS
    assert list(dataset.splits) == ["train", "val", "test"]
    assert sum(map(len, dataset.splits.values())) == 60
    start = 0
    for split in dataset.splits.values():
        assert split.patients_known
        here = slice(start, start + len(split))
        assert split.images == drawn.names[here]
        np.testing.assert_array_equal(split.labels_NC, drawn.labels_NC[here])
        np.testing.assert_array_equal(
            load_images(split, Preprocessing.square(64, 64)), drawn.images_NHW[here]
        )
        start += len(split)


def test_the_splits_are_about_70_15_15_and_share_no_patient(source):
    splits = open_source(source).splits
    sizes = {name: len(split) for name, split in splits.items()}
    assert 42 <= sizes["train"] <= 45
    assert 6 <= sizes["val"] <= 12
    patients = [set(split.patients) for split in splits.values()]
    assert sum(map(len, patients)) == len(set().union(*patients))


@pytest.mark.parametrize("seed", range(5))
def test_the_fewest_images_still_fill_three_splits(seed, tmp_path):
    phantoms.write(tmp_path / "few", count=20, seed=seed, size=32)
    assert list(open_source(tmp_path / "few").splits) == ["train", "val", "test"]


def test_a_written_source_says_that_it_is_synthetic(source):
    assert (source / "README.txt").read_text().startswith("SYNTHETIC")
    facts = json.loads((source / "phantoms.json").read_text())
    assert facts == {"synthetic": True, "images": 60, "seed": 5, "size": 64}


def test_the_boxes_are_written_beside_the_labels(source):
    with (source / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = phantoms.draw(60, seed=5, size=64)
    flat = [(name, box) for name, boxes in zip(drawn.names, drawn.lesions, strict=True) for box in boxes]
    assert [(row["image"], row["finding"], int(row["top"]), int(row["right"])) for row in rows] == [
        (name, box.finding, box.top, box.right) for name, box in flat
    ]


def test_writing_twice_gives_the_same_files(source, tmp_path):
    phantoms.write(tmp_path / "again", count=60, seed=5, size=64)
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / file.relative_to(source)).read_bytes() == file.read_bytes()


def test_an_earlier_source_is_replaced_only_by_force_and_a_foreign_folder_never(source, tmp_path):
    with pytest.raises(OutputError, match="exists already"):
        phantoms.write(source, count=60, seed=5, size=64)
    phantoms.write(source, count=60, seed=5, size=64, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(OutputError, match=r"without phantoms\.json"):
        phantoms.write(tmp_path / "mine", count=60, seed=5, size=64, force=True)


def test_the_command_writes_phantoms_and_counts_them(tmp_path, xopt):
    done = xopt(
        "data", "phantoms", "--out", tmp_path / "p", "--images", 24, "--size", 48, "--seed", 9, "--json"
    )
    assert done.code == 0
    facts = json.loads(done.out)
    assert facts["synthetic"] is True
    assert sum(split["images"] for split in facts["splits"].values()) == 24
    assert (tmp_path / "p" / "train_list.txt").is_file()
    assert xopt("data", "phantoms", "--out", tmp_path / "p").code == 1
    assert xopt("data", "phantoms", "--out", tmp_path / "q", "--images", 3).code == 2
