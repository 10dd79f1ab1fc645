"""The model cache is off by default, and believed only by its digests."""

import logging

import numpy as np
import pytest

from xopt.runtime import Classifier, UsageError
from xopt.runtime.backends.model_cache import ModelCache
from xopt.runtime.backends.openvino import import_openvino
from xopt.runtime.bundle.bundle import write_bundle

from ..conftest import SIZE, small_manifest

IMAGE = np.random.default_rng(4).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)


@pytest.fixture
def counted(monkeypatch) -> dict[str, int]:
    """How often graphs were compiled and imported, by the real OpenVINO."""
    counts = {"compile_model": 0, "import_model": 0}
    core = import_openvino().Core

    def counting(name):
        real = getattr(core, name)

        def call(*arguments, **options):
            counts[name] += 1
            return real(*arguments, **options)

        return call

    for name in counts:
        monkeypatch.setattr(core, name, counting(name))
    return counts


def answer(bundle, cache=None, **options) -> bytes:
    with Classifier.load(bundle, cache=cache, **options) as classifier:
        return classifier.infer(IMAGE).tobytes()


def blob(cache):
    (found,) = cache.glob("*.blob")
    return found


def test_nothing_is_kept_unless_asked(bundle, tmp_path, counted):
    before = sorted(tmp_path.rglob("*"))
    answer(bundle)
    assert sorted(tmp_path.rglob("*")) == before
    assert counted == {"compile_model": 1, "import_model": 0}


def test_the_second_start_imports_and_answers_the_same_bits(bundle, tmp_path, counted):
    plain = answer(bundle)
    first = answer(bundle, tmp_path / "cache")
    second = answer(bundle, str(tmp_path / "cache"))
    assert plain == first == second
    assert counted == {"compile_model": 2, "import_model": 1}
    names = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert [name.partition(".")[2] for name in names] == ["blob", "sha256"]


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def link(path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("damage", [flip, shorten, link, lambda path: path.unlink()])
@pytest.mark.parametrize("kind", ["blob", "sha256"])
def test_what_is_not_as_it_was_stored_is_not_used(bundle, tmp_path, counted, damage, kind):
    cache = tmp_path / "cache"
    expected = answer(bundle, cache)
    damage(blob(cache).with_suffix(f".{kind}"))
    assert answer(bundle, cache) == expected
    assert counted == {"compile_model": 2, "import_model": 0}


def test_a_damaged_blob_is_named_and_written_anew(bundle, tmp_path, counted, caplog):
    cache = tmp_path / "cache"
    answer(bundle, cache)
    stored = blob(cache).read_bytes()
    flip(blob(cache))
    with caplog.at_level(logging.WARNING):
        answer(bundle, cache)
    assert "is not the blob that was stored" in caplog.text
    assert len(blob(cache).read_bytes()) == len(stored)
    answer(bundle, cache)
    assert counted == {"compile_model": 2, "import_model": 1}


def test_a_blob_that_openvino_does_not_take_is_written_anew(bundle, tmp_path, counted):
    import hashlib

    cache = tmp_path / "cache"
    expected = answer(bundle, cache)
    place = blob(cache)
    place.write_bytes(b"not a graph")
    place.with_suffix(".sha256").write_text(hashlib.sha256(b"not a graph").hexdigest() + "\n")
    assert answer(bundle, cache) == expected
    assert answer(bundle, cache) == expected
    assert counted == {"compile_model": 2, "import_model": 2}


def test_another_bundle_and_other_settings_have_blobs_of_their_own(bundle, tmp_path, files):
    cache = tmp_path / "cache"
    write_bundle(tmp_path / "renamed.xopt", small_manifest(name="renamed"), files)
    for path, options in ((bundle, {}), (bundle, {"threads": 1}), (tmp_path / "renamed.xopt", {})):
        answer(path, cache, **options)
    assert len(list(cache.glob("*.blob"))) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"engine_version": "2"},
        {"device": "other"},
        {"settings": {"INFERENCE_NUM_THREADS": 2}},
        {"settings": {}},
    ],
)
def test_everything_that_decides_is_in_the_key(tmp_path, change):
    facts = {"engine_version": "1", "device": "CPU", "settings": {"INFERENCE_NUM_THREADS": 1}}
    cache = ModelCache(folder=tmp_path, bundle_digest="a")
    assert cache.key(**facts) == cache.key(**facts)
    assert cache.key(**facts) != cache.key(**{**facts, **change})
    assert cache.key(**facts) != ModelCache(folder=tmp_path, bundle_digest="b").key(**facts)


def test_another_cpu_has_another_key(tmp_path, monkeypatch):
    from xopt.runtime.backends import model_cache

    cache = ModelCache(folder=tmp_path, bundle_digest="a")
    facts = {"engine_version": "1", "device": "CPU", "settings": {}}
    before = cache.key(**facts)
    monkeypatch.setattr(model_cache, "cpu_identity", lambda: "another")
    assert cache.key(**facts) != before


def test_a_cache_that_cannot_be_written_costs_no_answer(bundle, tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert answer(bundle, tmp_path / "file") == answer(bundle)
    assert "is not kept" in caplog.text


def test_onnx_runtime_has_no_cache(bundle, tmp_path):
    with pytest.raises(UsageError, match="leave the cache out"):
        Classifier.load(bundle, engine="onnxruntime", cache=tmp_path)
