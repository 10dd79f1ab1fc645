import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime import Bundle, BundleError, OutputError
from xopt.runtime.bundle.bundle import write_bundle

from ..conftest import small_manifest

NAMES = ("manifest.json", "model.xml", "model.bin", "golden.npz")


def refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Bundle.open(path)
    assert "\n" not in str(caught.value)


def test_a_bundle_reads_back_as_it_was_written(bundle, files):
    opened = Bundle.open(bundle)
    assert {name: opened.read(name) for name in files} == files
    assert opened.manifest.classes == ("Bright", "Left", "Top")
    assert opened.digest == hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()


def test_the_same_content_has_the_same_identity(tmp_path, files):
    first = write_bundle(tmp_path / "a.xopt", small_manifest(), files)
    second = write_bundle(tmp_path / "b.xopt", small_manifest(), files)
    assert first.digest == second.digest


@pytest.mark.parametrize("name", NAMES)
def test_any_one_flipped_byte_is_refused(bundle, name):
    content = (bundle / name).read_bytes()
    rng = np.random.default_rng(7)
    places = {0, len(content) - 1, *rng.integers(0, len(content), 60).tolist()}
    for place in places:
        for mask in (1, 0x20, 0x80):
            changed = bytearray(content)
            changed[place] ^= mask
            (bundle / name).write_bytes(changed)
            refused(bundle, "changed|not readable JSON|does not fit|schema|missing|not named")
    (bundle / name).write_bytes(content)
    Bundle.open(bundle)


def test_every_single_byte_of_the_manifest_counts(bundle):
    content = (bundle / "manifest.json").read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        (bundle / "manifest.json").write_bytes(changed)
        refused(bundle)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_refused(bundle, name):
    (bundle / name).unlink()
    refused(bundle, f"{name} is missing|no {name}|holds no")


@pytest.mark.parametrize("name", ["extra.txt", ".hidden", "model.onnx"])
def test_an_added_file_is_refused(bundle, name):
    (bundle / name).write_bytes(b"x")
    refused(bundle, f"{name} is not named")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_replaced_by_a_link_to_the_same_content_is_refused(bundle, tmp_path, name):
    elsewhere = tmp_path / name
    (bundle / name).rename(elsewhere)
    (bundle / name).symlink_to(elsewhere)
    refused(bundle, "link")


def test_a_fifo_in_place_of_the_weights_does_not_hang(bundle):
    (bundle / "model.bin").unlink()
    os.mkfifo(bundle / "model.bin")
    refused(bundle, "no regular file")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b""])
def test_a_truncated_or_longer_file_is_refused(bundle, name, change):
    (bundle / name).write_bytes(change((bundle / name).read_bytes()))
    refused(bundle)


def test_what_happens_after_opening_changes_nothing(bundle, files):
    opened = Bundle.open(bundle)
    (bundle / "model.bin").write_bytes(b"")
    assert opened.read("model.bin") == files["model.bin"]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: None, "no bundle at"),
        (lambda p: p.write_text("x"), "is a file"),
        (lambda p: p.mkdir(), "holds no manifest.json"),
    ],
)
def test_a_path_that_is_no_bundle_is_named(tmp_path, make, match):
    make(tmp_path / "x.xopt")
    refused(tmp_path / "x.xopt", match)


def test_an_existing_bundle_is_replaced_only_by_force(bundle, files):
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(bundle, small_manifest(), files)
    write_bundle(bundle, small_manifest(name="second"), files, force=True)
    assert Bundle.open(bundle).manifest.name == "second"
    assert [p.name for p in bundle.parent.iterdir()] == [bundle.name]


def test_force_never_replaces_a_folder_that_is_no_bundle(tmp_path, files):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"without manifest\.json"):
        write_bundle(tmp_path / "photos", small_manifest(), files, force=True)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"x"


def test_a_failed_write_leaves_nothing(tmp_path, files):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_bundle(tmp_path / "a.xopt", small_manifest(provenance={"auc": float("nan")}), files)
    with pytest.raises(OutputError, match="make it first"):
        write_bundle(tmp_path / "absent" / "a.xopt", small_manifest(), files)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_naming_a_file_outside_is_refused(tmp_path, files):
    from dataclasses import replace

    from xopt.runtime.bundle.manifest import FileFacts

    write_bundle(tmp_path / "a.xopt", small_manifest(), files)
    opened = Bundle.open(tmp_path / "a.xopt")
    facts = {**opened.manifest.files, "../secret": FileFacts(sha256="0" * 64, size=1)}
    (tmp_path / "a.xopt" / "manifest.json").write_bytes(replace(opened.manifest, files=facts).encode())
    refused(tmp_path / "a.xopt", "outside")


def schema_1(bundle, **changes):
    """Give a bundle the manifest that xopt 0.1 wrote."""
    facts = json.loads((bundle / "manifest.json").read_text())
    facts |= {"schema": 1, "preprocessing": OLD_PREPROCESSING, "provenance": {"gate": GATE, "onnx": None}}
    for key in ("instruction_sets", "calibration", "gate", "match", "content_sha256"):
        del facts[key]
    content = json.dumps(facts | changes, indent=2) + "\n"
    digest = hashlib.sha256(content.encode()).hexdigest()
    sealed = json.dumps({**facts, **changes, "content_sha256": digest}, indent=2) + "\n"
    (bundle / "manifest.json").write_text(sealed)


GATE = {"outcome": "passed", "split": "val"}
OLD_PREPROCESSING = {"size": 32, "crop": 32, "crops": "center", "channels": 1, "mean": [0.0], "std": [1.0]}


def test_a_bundle_of_schema_1_opens_as_it_lies_there(bundle):
    new = Bundle.open(bundle).manifest
    schema_1(bundle)
    lying = (bundle / "manifest.json").read_bytes()
    old = Bundle.open(bundle)
    assert old.manifest == replace(new, gate=GATE, provenance={"onnx": None})
    assert old.digest == hashlib.sha256(lying).hexdigest()
    assert (bundle / "manifest.json").read_bytes() == lying


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preprocessing": {**OLD_PREPROCESSING, "side": 3}}, "unknown key 'side'"),
        ({"preprocessing": {**OLD_PREPROCESSING, "crop": 99}}, r"crop must be in 1\.\.32"),
    ],
)
def test_schema_1_is_held_to_its_own_keys(bundle, changes, says):
    schema_1(bundle, **changes)
    refused(bundle, says)


def test_schema_1_shows_a_change_too(bundle):
    schema_1(bundle)
    content = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(content.replace('"outcome": "passed"', '"outcome": "failed"'))
    refused(bundle, "changed since it was written")


def test_a_newer_schema_is_named(bundle):
    content = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(content.replace('"schema": 2', '"schema": 99'))
    refused(bundle, "schema 99.*update xopt")
