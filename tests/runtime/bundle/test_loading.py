"""Whatever happens to a bundle while it is loaded: the right answer or a BundleError, never a signal."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime import Bundle, BundleError, Classifier
from xopt.runtime.backends import openvino as openvino_backend
from xopt.runtime.bundle import bundle as bundles
from xopt.runtime.bundle import loading
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.golden import check_parity, encode_golden

from ..conftest import SIZE, small_manifest

FILES = ("manifest.json", "model.xml", "model.bin", "golden.npz")
IMAGE = np.random.default_rng(6).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)


def truncate(path: Path) -> None:
    """In place, so that a mapping of the file would end in SIGBUS."""
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """In place and of the same length, so that a mapping of the file would change silently."""
    with path.open("r+b") as file:
        file.write(b"\x55" * path.stat().st_size)


def rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.moved"))


class Steps:
    """Counts the steps of a load and runs something before one of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.at: int | None = None
        self.action: Callable[[], None] = lambda: None

    def before(self, name: str) -> None:
        if len(self.names) == self.at:
            self.action()
        self.names.append(name)

    def wrap(self, place: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(place, name)

        def step(*arguments, **options):
            self.before(name)
            made = real(*arguments, **options)
            self.before(f"after {name}")
            return made

        monkeypatch.setattr(place, name, step)


@pytest.fixture
def steps(monkeypatch) -> Steps:
    """Every function of a load that looks at the folder, hashes, checks or compiles, real but watched."""
    watched = Steps()
    for name in ("_listing", "_check_names", "_read", "_read_checked", "read_regular"):
        watched.wrap(bundles, name, monkeypatch)
    for name in ("check_graph", "check_ports", "check_inferred"):
        watched.wrap(openvino_backend, name, monkeypatch)
    core = openvino_backend.import_openvino().Core
    for name in ("read_model", "compile_model"):
        watched.wrap(core, name, monkeypatch)
    monkeypatch.setattr(loading, "check_parity", check_parity)
    watched.wrap(loading, "check_parity", monkeypatch)
    return watched


@pytest.fixture
def expected(bundle) -> bytes:
    with Classifier.load(bundle) as classifier:
        return classifier.infer(IMAGE).tobytes()


@pytest.mark.parametrize("change", [truncate, overwrite, rename])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_changes_at_any_step_gives_the_right_answer_or_a_bundle_error(
    tmp_path, files, expected, steps, change, name
):
    def load(path: Path) -> bytes:
        steps.names.clear()
        with Classifier.load(path, verify="full") as classifier:
            return classifier.infer(IMAGE).tobytes()

    write_bundle(tmp_path / "whole.xopt", small_manifest(), files)
    steps.at = None
    assert load(tmp_path / "whole.xopt") == expected
    count = len(steps.names)
    assert count > 30
    outcomes = set()
    for number in range(count):
        place = tmp_path / f"{number}.xopt"
        write_bundle(place, small_manifest(), files)
        steps.at, steps.action = number, lambda place=place: change(place / name)
        try:
            assert load(place) == expected
            outcomes.add("answered")
        except BundleError:
            outcomes.add("refused")
        assert len(steps.names) > number
    # Before its file is read a change is refused, afterwards it does not matter.
    assert outcomes == {"answered", "refused"}


def test_a_file_that_changes_after_the_load_does_not_change_an_answer(bundle, expected):
    with Classifier.load(bundle) as classifier:
        for name in FILES:
            for change in (overwrite, truncate, rename):
                change(bundle / name)
                assert classifier.infer(IMAGE).tobytes() == expected


def test_a_bundle_of_terabytes_is_not_read(bundle):
    from dataclasses import replace

    from xopt.runtime.bundle.manifest import FileFacts

    opened = Bundle.open(bundle)
    facts = {**opened.manifest.files, "model.bin": FileFacts(sha256="0" * 64, size=10**12)}
    (bundle / "manifest.json").write_bytes(replace(opened.manifest, files=facts).encode())
    os.truncate(bundle / "model.bin", 10**12)
    with pytest.raises(BundleError, match="at most 4294967296 are read"):
        Bundle.open(bundle)


def test_verify_takes_two_words(bundle):
    with pytest.raises(ValueError, match="verify must be 'full' or 'digest', got 'none'"):
        Classifier.load(bundle, verify="none")


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
