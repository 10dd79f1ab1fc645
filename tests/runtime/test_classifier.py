from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xopt.runtime import BundleError, Classifier, Failure, InputError
from xopt.runtime.bundle.bundle import write_bundle
from xopt.runtime.bundle.golden import encode_golden
from xopt.runtime.bundle.manifest import Port

from .conftest import CLASSES, SIZE, small_manifest


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (24, SIZE, SIZE), dtype=np.uint8)


def test_a_path_bytes_and_an_array_get_the_same_answer(bundle, images, tmp_path):
    (tmp_path / "x.png").write_bytes(png(images[0]))
    with Classifier.load(bundle) as classifier:
        answers = [classifier.predict(s) for s in (tmp_path / "x.png", png(images[0]), images[0])]
    assert len({tuple(a.probabilities.values()) for a in answers}) == 1
    assert [a.source for a in answers] == [str(tmp_path / "x.png"), "bytes", "array"]
    assert answers[0].bundle_digest == classifier.digest


def test_the_answer_is_what_the_graph_computes(bundle):
    left = np.zeros((SIZE, SIZE), np.uint8)
    left[:, : SIZE // 2] = 255
    with Classifier.load(bundle) as classifier:
        result = classifier.predict(left)
    assert list(result.probabilities) == list(CLASSES)
    ramp = np.linspace(1, -1, SIZE)
    expected = 1 / (1 + np.exp(-np.array([SIZE / 2, ramp[: SIZE // 2].sum(), 0.0])))
    np.testing.assert_allclose(list(result.probabilities.values()), expected, atol=1e-5)
    assert result.findings[:2] == ("Bright", "Left")


def test_findings_follow_the_thresholds(tmp_path, files):
    write_bundle(
        tmp_path / "b.xopt", small_manifest(thresholds={"Bright": 1.0, "Left": 0.0, "Top": 0.4}), files
    )
    with Classifier.load(tmp_path / "b.xopt") as classifier:
        assert classifier.predict(np.zeros((SIZE, SIZE), np.uint8)).findings == ("Left", "Top")


def test_threads_get_their_own_answers_and_inputs_stay_as_they_are(bundle, images):
    before = images.copy()
    with Classifier.load(bundle) as classifier:
        alone = [classifier.infer(image) for image in images]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(classifier.infer, [image for _ in range(40) for image in images]))
    for index, answer in enumerate(together):
        np.testing.assert_array_equal(answer, alone[index % len(images)])
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_the_thread_count_does_not_change_a_bit(bundle, images, threads):
    with Classifier.load(bundle) as usual, Classifier.load(bundle, threads=threads) as other:
        for image in images:
            np.testing.assert_array_equal(usual.infer(image), other.infer(image))


def test_a_stream_keeps_order_and_reads_ahead_no_further_than_its_window(bundle, images):
    taken = []

    def source():
        for number, image in enumerate(images):
            taken.append(number)
            yield image

    with Classifier.load(bundle) as classifier:
        expected = [classifier.predict(image).probabilities for image in images]
        stream = classifier.stream(source(), window=3)
        found = [next(stream).probabilities]
        assert len(taken) <= 4 + 1
        found += [result.probabilities for result in stream]
    assert found == expected


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("latency", {}),
        ("throughput", {}),
        ("throughput", {"workers": 1, "window": 1}),
        ("throughput", {"workers": 5, "window": 2}),
    ],
)
def test_a_stream_answers_with_the_same_bits_in_either_mode(bundle, images, mode, options):
    with Classifier.load(bundle) as alone, Classifier.load(bundle, mode=mode) as classifier:
        expected = [alone.predict(image).probabilities for image in images]
        assert [answer.probabilities for answer in classifier.stream(images, **options)] == expected


@pytest.mark.parametrize(
    ("words", "match"),
    [({"workers": 0}, "workers and window must be at least 1"), ({"window": 0}, "at least 1")],
)
def test_a_stream_without_workers_or_window_is_refused(bundle, images, words, match):
    with Classifier.load(bundle) as classifier, pytest.raises(ValueError, match=match):
        next(classifier.stream(images, **words))


def test_an_unknown_mode_is_refused(bundle):
    with pytest.raises(ValueError, match="mode must be 'latency' or 'throughput', got 'fast'"):
        Classifier.load(bundle, mode="fast")


def test_every_result_says_where_it_is_from(bundle, images, tmp_path):
    (tmp_path / "x.png").write_bytes(png(images[0]))
    with Classifier.load(bundle) as classifier:
        result = classifier.predict(tmp_path / "x.png")
        assert result.trace == classifier.trace
    facts = result.trace.to_json()
    assert facts == {
        "bundle": "small",
        "digest": classifier.digest,
        "precision": "FP32",
        "crops": "center",
        "engine": "openvino",
        "device": "CPU",
        "versions": facts["versions"],
    }
    assert set(facts["versions"]) == {"xopt", "openvino", "numpy", "pillow"}
    assert result.notes["format"] == "PNG"


def test_a_bad_image_stops_stream_and_is_a_failure_in_stream_all(bundle, images):
    mixed = [images[0], b"broken", images[1]]
    with Classifier.load(bundle) as classifier:
        with pytest.raises(InputError, match="no readable"):
            list(classifier.stream(mixed))
        answers = list(classifier.stream_all(mixed))
    assert [isinstance(a, Failure) for a in answers] == [False, True, False]


@pytest.mark.parametrize(
    "image",
    [
        None,
        3,
        [1],
        np.zeros((4, 4)),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((0, 0), np.uint8),
        b"",
        "absent.png",
    ],
    ids=["none", "number", "list", "float", "colour", "no-pixels", "no-bytes", "absent"],
)
def test_what_is_no_image_is_an_input_error(bundle, image):
    with Classifier.load(bundle) as classifier, pytest.raises(InputError):
        classifier.predict(image)


def test_infer_takes_only_the_graphs_own_shape(bundle):
    with Classifier.load(bundle) as classifier, pytest.raises(InputError, match=r"takes uint8 \(32, 32\)"):
        classifier.infer(np.zeros((SIZE, SIZE + 1), np.uint8))


def test_a_closed_classifier_says_so(bundle):
    classifier = Classifier.load(bundle)
    classifier.close()
    with pytest.raises(InputError, match="closed"):
        classifier.predict(np.zeros((4, 4), np.uint8))


def test_full_verification_refuses_other_golden_answers(tmp_path, files, images):
    wrong = encode_golden(images[:2], np.full((2, 3), 0.123, np.float32))
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "golden.npz": wrong})
    Classifier.load(tmp_path / "b.xopt").close()
    with pytest.raises(BundleError, match="golden images differ"):
        Classifier.load(tmp_path / "b.xopt", verify="full")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"classes": ("A", "B"), "thresholds": {"A": 0.5, "B": 0.5}}, "the graph maps"),
        ({"outputs": (Port(name="p", shape=(1, 3), dtype="float32"),)}, "the graph has the outputs"),
        ({"inputs": (Port(name="image", shape=(1, 32, 32), dtype="float32"),)}, "the graph has the inputs"),
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(tmp_path, files, changes, match):
    write_bundle(tmp_path / "b.xopt", small_manifest(**changes), files)
    with pytest.raises(BundleError, match=match):
        Classifier.load(tmp_path / "b.xopt")


@pytest.mark.parametrize(
    "xml", [b"", b"<net/>", b"\0" * 100, b'<?xml version="1.0"?><net name="x" version="11"/>']
)
def test_xml_that_is_no_graph_is_a_bundle_error(tmp_path: Path, files, xml):
    write_bundle(tmp_path / "b.xopt", small_manifest(), {**files, "model.xml": xml})
    with pytest.raises(BundleError, match="it is not what OpenVINO writes"):
        Classifier.load(tmp_path / "b.xopt")
