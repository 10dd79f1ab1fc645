"""Many threads, many repeats, a long time: no wrong answer, no changed bit, no growing memory."""

import gc
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xopt.runtime import Classifier, InputError

from .conftest import SIZE

THREADS, EACH = 8, 1000
REPEATS = 1000
LEAST_INFERENCES = 2000
MOST_BYTES_PER_INFERENCE = 1024


def encoded(image: np.ndarray, kind: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.fixture
def mixed(tmp_path) -> list:
    """Paths, bytes and arrays of many sizes."""
    rng = np.random.default_rng(8)
    sources: list = []
    for number in range(24):
        height, width = rng.integers(8, 90, 2)
        image = rng.integers(0, 256, (height, width), dtype=np.uint8)
        path = tmp_path / f"{number}.png"
        path.write_bytes(encoded(image, "PNG"))
        sources += [image, encoded(image, "PNG"), encoded(image, "JPEG"), path]
    return sources


@pytest.mark.slow
def test_eight_threads_with_a_thousand_mixed_images_each_get_no_wrong_answer(bundle, mixed):
    before = [source.copy() if isinstance(source, np.ndarray) else source for source in mixed]
    with Classifier.load(bundle) as classifier:
        expected = [classifier.predict(source).probabilities for source in mixed]

        def ask(thread: int) -> int:
            order = np.random.default_rng(thread).integers(0, len(mixed), EACH)
            return sum(classifier.predict(mixed[i]).probabilities != expected[i] for i in order)

        with ThreadPoolExecutor(THREADS) as pool:
            wrong = sum(pool.map(ask, range(THREADS)))
    assert wrong == 0
    for source, copy in zip(mixed, before, strict=True):
        if isinstance(source, np.ndarray):
            np.testing.assert_array_equal(source, copy)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thousand_repeats_give_the_same_bits_over_threads_and_recompiles(bundle, threads):
    image = np.random.default_rng(9).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    with Classifier.load(bundle) as usual:
        expected = usual.infer(image).tobytes()
    for _ in range(5):
        with Classifier.load(bundle, threads=threads) as classifier:
            answers = {classifier.infer(image).tobytes() for _ in range(REPEATS // 5)}
        assert answers == {expected}


@pytest.mark.parametrize(
    "seconds", [pytest.param(20, marks=pytest.mark.slow), pytest.param(600, marks=pytest.mark.soak)]
)
def test_memory_does_not_grow_with_use(bundle, mixed, seconds):
    """Single images, streams, arrays, bad images and reloads in turn."""
    with Classifier.load(bundle) as classifier:
        uses: list[Callable[[], int]] = [
            lambda: len([classifier.predict(source) for source in mixed]),
            lambda: len(list(classifier.stream(mixed))),
            lambda: len([bad for bad in (b"", b"x" * 50, np.zeros((2, 2))) if refused(classifier, bad)]),
        ]

        def turn() -> int:
            done = sum(use() for use in uses)
            classifier.reload(bundle)
            return done

        # What allocators and caches keep for good is there after a while; from then on nothing may be added.
        warm_until = time.monotonic() + min(60, seconds / 4)
        while time.monotonic() < warm_until:
            turn()
        start, inferences = resident_bytes(), 0
        until = time.monotonic() + seconds
        # On a busy machine it takes longer: what an allocator takes once must not count for a few inferences.
        while time.monotonic() < until or inferences < LEAST_INFERENCES:
            inferences += turn()
        growth = (resident_bytes() - start) / inferences
    print(f"{inferences} inferences, {growth:.1f} bytes of growth for each")
    assert growth <= MOST_BYTES_PER_INFERENCE


def refused(classifier: Classifier, source: object) -> bool:
    with pytest.raises(InputError):
        classifier.predict(source)
    return True


def resident_bytes() -> int:
    gc.collect()
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024
