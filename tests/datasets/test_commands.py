import json

import numpy as np
import pytest
from PIL import Image

from xopt.datasets import phantoms


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms.write(folder, count=40, size=64)
    return folder


def test_check_writes_its_page_and_never_over_one(xopt, source, tmp_path):
    page = tmp_path / "check.html"
    done = xopt("data", "check", source, "--report", page, "--workers", 1, "--json")
    assert done.code == 0
    assert json.loads(done.out)["images"] == 40
    assert page.read_text().startswith("<!DOCTYPE html>")
    again = xopt("data", "check", source, "--report", page)
    assert again.code == 1
    assert "add --force" in again.err


def test_split_then_stats_and_prepare_take_the_new_lists(xopt, source, tmp_path):
    done = xopt("data", "split", source, "--out", tmp_path / "lists", "--val", 0.2, "--test", 0.2, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["overlaps"] == []
    assert sum(split["images"] for split in facts["splits"].values()) == 40
    stats = json.loads(xopt("data", "stats", tmp_path / "lists", "--json").out)
    assert stats["splits"] == facts["splits"]
    out = tmp_path / "cache"
    made = xopt("data", "prepare", tmp_path / "lists", "--out", out, "--size", 32, "--workers", 1, "--json")
    assert json.loads(made.out)["decoded"] == 40
    cached = json.loads(xopt("data", "stats", out, "--json").out)
    assert cached["splits"] == facts["splits"]
    refused = xopt("data", "split", source, "--out", tmp_path / "lists")
    assert refused.code == 1
    assert xopt("data", "split", source, "--out", tmp_path / "lists", "--force").code == 0


def test_split_warns_where_patients_are_not_known(xopt, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=np.arange(30) % 2)
    done = xopt("data", "split", tmp_path / "x.npz", "--out", tmp_path / "lists")
    assert done.code == 0
    assert "patients are not known" in done.err


def test_a_policy_for_uncertain_labels_reaches_the_reader(xopt, tmp_path):
    (tmp_path / "labels.csv").write_text("image,A\na.png,-1\nb.png,1\nc.png,0\n")
    for policy, positives, known in (("ignore", 1, 2), ("ones", 2, 3), ("zeros", 1, 3)):
        facts = json.loads(xopt("data", "stats", tmp_path, "--uncertain", policy, "--json").out)
        assert facts["splits"]["all"]["positives"] == {"A": positives}
        assert facts["splits"]["all"]["known"] == {"A": known}
    done = xopt("data", "stats", tmp_path, "--uncertain", "maybe")
    assert done.code == 2
    assert done.err == "xopt: --uncertain must be one of ignore, zeros, ones, got 'maybe'\n"


def test_a_format_that_is_not_recognised_says_what_was_looked_for(xopt, tmp_path):
    (tmp_path / "readme.md").touch()
    done = xopt("data", "stats", tmp_path)
    assert done.code == 1
    assert done.err.count("\n") == 1
    for name in ("cache", "nih", "list", "chexpert", "csv", "npz", "tree"):
        assert f"--format {name}" in done.err
    assert "found readme.md" in done.err


def test_left_out_labels_are_left_out_of_scores(xopt, tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(-1, 2, 60)
    scores = random.random(60).round(3)
    for name, keep in {"marked": labels > -2, "known": labels >= 0}.items():
        rows = [f"{i}.png,{labels[i]}\n" for i in np.flatnonzero(keep)]
        (tmp_path / f"{name}.csv").write_text("image,A\n" + "".join(rows))
        rows = [f"{i}.png,{scores[i]}\n" for i in np.flatnonzero(keep)]
        (tmp_path / f"{name}_scores.csv").write_text("image,A\n" + "".join(rows))

    def score(name):
        words = (
            tmp_path / f"{name}_scores.csv",
            "--data",
            tmp_path / f"{name}.csv",
            "--split",
            "all",
            "--json",
        )
        return json.loads(xopt("score", *words).out)["classes"]["A"]

    left, right = score("marked"), score("known")
    for key in ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "f1", "positives"):
        assert left[key] == right[key]


def test_dicom_files_are_images_of_a_tree(xopt, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    assert pydicom
    from ..runtime.images.dicom_files import dicom

    random = np.random.default_rng(0)
    for name in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 4096, (16, 16), dtype=np.uint16)
            (tmp_path / "train" / name / f"{number}.dcm").write_bytes(dicom(pixels))
    facts = json.loads(xopt("data", "check", tmp_path, "--workers", 1, "--json").out)
    assert facts["counts"]["unreadable"] == {"train": 0}
    Image.new("L", (4, 4)).save(tmp_path / "train/NORMAL/x.png")
    assert "PNEUMONIA" in xopt("data", "stats", tmp_path).out
