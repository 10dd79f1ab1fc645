"""A hot reload under load: every answer is wholly the old bundle's or wholly the new one's."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from xopt.runtime import BundleError, Classifier, InputError
from xopt.runtime.bundle.bundle import write_bundle

from .conftest import SIZE, small_manifest

RELOADS = 100
THREADS = 4


@pytest.fixture
def other(tmp_path, files):
    """A bundle of the same classes whose answers differ: its weights are halved."""
    weights = bytearray(files["model.bin"])
    values = np.frombuffer(files["model.bin"], np.float32, count=3 * SIZE * SIZE, offset=_largest(files))
    start = _largest(files)
    weights[start : start + values.nbytes] = (values / 2).tobytes()
    content = {**files, "model.bin": bytes(weights)}
    write_bundle(tmp_path / "other.xopt", small_manifest(name="other"), content)
    return tmp_path / "other.xopt"


def _largest(files) -> int:
    """Where the weights of the linear layer begin."""
    from xopt.runtime.graph_check.check import check_graph

    graph = check_graph(files["model.xml"], files["model.bin"])
    constants = [layer for layer in graph.layers if layer.type == "Const"]
    return int(max(constants, key=lambda layer: int(layer.data["size"])).data["offset"])


@pytest.fixture
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE), dtype=np.uint8))


def answers_of(path, images) -> dict[str, list]:
    with Classifier.load(path) as alone:
        return {alone.digest: [alone.predict(image).probabilities for image in images]}


@pytest.mark.slow
def test_a_hundred_reloads_under_load_without_a_failed_or_mixed_answer(bundle, other, images):
    expected = {**answers_of(bundle, images), **answers_of(other, images)}
    assert len(expected) == 2
    assert len({str(answers) for answers in expected.values()}) == 2
    done = threading.Event()
    seen: dict[str, int] = dict.fromkeys(expected, 0)
    asked = [0] * THREADS

    def ask(number: int) -> None:
        while not done.is_set():
            index = (asked[number] + number) % len(images)
            result = classifier.predict(images[index])
            assert result.probabilities == expected[result.bundle_digest][index]
            seen[result.bundle_digest] += 1
            asked[number] += 1
            # Leaves the two cores some room for the reloads, which are what this is about.
            time.sleep(0.002)

    with Classifier.load(bundle, threads=1) as classifier, ThreadPoolExecutor(THREADS) as pool:
        askers = [pool.submit(ask, number) for number in range(THREADS)]
        reloads = 0
        try:
            # On a busy machine a thread may have its first turn late: until then, the reloads go on.
            while reloads < RELOADS or not (
                min(*asked, *seen.values()) or any(asker.done() for asker in askers)
            ):
                classifier.reload(bundle if reloads % 2 else other)
                assert classifier.predict(images[0]).bundle_digest == classifier.digest
                reloads += 1
        finally:
            done.set()
        for asker in askers:
            asker.result()
    assert min(asked) > 0
    assert min(seen.values()) > 0


def test_a_stream_goes_on_over_a_reload(bundle, other, images):
    expected = {**answers_of(bundle, images), **answers_of(other, images)}
    with Classifier.load(bundle) as classifier:
        first = classifier.digest
        stream = classifier.stream(images, window=2)
        results = [next(stream)]
        classifier.reload(other)
        results += stream
    assert [result.bundle_digest for result in results][:2] == [first] * 2
    assert results[-1].bundle_digest != first
    for index, result in enumerate(results):
        assert result.probabilities == expected[result.bundle_digest][index]


def damaged(folder) -> None:
    (folder / "model.bin").write_bytes(b"x")


def removed(folder) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [damaged, removed])
def test_a_failed_reload_keeps_the_old_model(bundle, other, images, damage):
    with Classifier.load(bundle) as classifier:
        before, digest = classifier.predict(images[0]), classifier.digest
        damage(other)
        with pytest.raises(BundleError):
            classifier.reload(other)
        assert classifier.predict(images[0]) == before
        assert classifier.digest == digest


def test_a_reload_verifies_as_the_load_did(tmp_path, bundle, files, images):
    from xopt.runtime.bundle.golden import encode_golden

    wrong = encode_golden(np.stack(images[:2]), np.full((2, 3), 0.123, np.float32))
    write_bundle(tmp_path / "wrong.xopt", small_manifest(), {**files, "golden.npz": wrong})
    with Classifier.load(bundle, verify="full") as strict, Classifier.load(bundle) as quick:
        with pytest.raises(BundleError, match="golden images differ"):
            strict.reload(tmp_path / "wrong.xopt")
        quick.reload(tmp_path / "wrong.xopt")


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ("A", "B", "C"), "thresholds": dict.fromkeys("ABC", 0.5)},
        {"classes": ("Left", "Bright", "Top")},
        {"task": "multi-class"},
    ],
    ids=["other-names", "other-order", "other-task"],
)
def test_other_classes_need_consent(tmp_path, bundle, files, images, changes):
    write_bundle(tmp_path / "new.xopt", small_manifest(**changes), files)
    with Classifier.load(bundle) as classifier:
        with pytest.raises(BundleError, match="allow_other_classes=True"):
            classifier.reload(tmp_path / "new.xopt")
        assert list(classifier.predict(images[0]).probabilities) == ["Bright", "Left", "Top"]
        classifier.reload(tmp_path / "new.xopt", allow_other_classes=True)
        assert tuple(classifier.predict(images[0]).probabilities) == classifier.manifest.classes


def test_a_closed_classifier_is_not_reloaded(bundle, other):
    classifier = Classifier.load(bundle)
    classifier.close()
    with pytest.raises(InputError, match="closed"):
        classifier.reload(other)
