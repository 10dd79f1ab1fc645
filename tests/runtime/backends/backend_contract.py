"""What every backend keeps, whatever the engine. A test class per engine inherits it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from xopt.runtime import BundleError, InputError, UsageError
from xopt.runtime.backends import open_backend
from xopt.runtime.bundle.bundle import Bundle, write_bundle

from ..conftest import SIZE, small_manifest
from .small_onnx import small_weights


def expected(images: np.ndarray) -> np.ndarray:
    """The answers (N, 3) by hand."""
    scores = images.reshape(len(images), -1).astype(np.float64) / 255 @ small_weights(SIZE)
    return 1 / (1 + np.exp(-scores))


class BackendContract:
    """Inheriting classes name their engine, and the file of a bundle that it reads."""

    engine: str
    model: str

    @pytest.fixture
    def images(self) -> np.ndarray:
        return np.random.default_rng(1).integers(0, 256, (16, SIZE, SIZE), dtype=np.uint8)

    @pytest.fixture
    def opened(self, both_files, tmp_path):
        """Open a bundle, some of its files replaced."""

        def make(threads: int | None = None, device: str = "CPU", **replaced: bytes) -> Any:
            files = {**both_files, **{name.replace("_", "."): content for name, content in replaced.items()}}
            bundle = write_bundle(tmp_path / "b.xopt", small_manifest(), files, force=True)
            return open_backend(Bundle.open(bundle.path), engine=self.engine, device=device, threads=threads)

        return make

    def test_answers_are_what_the_graph_computes_in_the_order_asked(self, opened, images):
        answers = np.stack([opened().infer(image) for image in images])
        assert answers.dtype == np.float32
        np.testing.assert_allclose(answers, expected(images), atol=1e-5)

    def test_shapes_are_those_of_one_image(self, opened):
        backend = opened()
        assert (backend.input_shape, backend.output_shape) == ((1, SIZE, SIZE), (1, 3))

    @pytest.mark.parametrize(
        "image",
        [
            None,
            float("nan"),
            [[0] * SIZE] * SIZE,
            np.full((SIZE, SIZE), np.nan, np.float32),
            np.zeros((SIZE, SIZE), np.int8),
            np.zeros((SIZE, SIZE), object),
            np.zeros((SIZE, SIZE + 1), np.uint8),
            np.zeros((1, SIZE, SIZE), np.uint8),
            np.zeros((0, 0), np.uint8),
            np.zeros(0, np.uint8),
        ],
        ids=["none", "number", "list", "nan", "int8", "object", "wide", "batch", "empty", "flat"],
    )
    def test_what_is_no_resized_image_is_refused(self, opened, image):
        with pytest.raises(InputError, match=r"takes uint8 \(32, 32\)"):
            opened().infer(image)

    def test_an_image_that_is_not_contiguous_is_read_right(self, opened, images):
        np.testing.assert_allclose(
            opened().infer(images[0][:, ::-1]), expected(images[:1, :, ::-1])[0], atol=1e-5
        )

    def test_images_stay_as_they_are_and_read_only_ones_will_do(self, opened, images):
        before = images.copy()
        images.flags.writeable = False
        backend = opened()
        for image in images:
            backend.infer(image)
        np.testing.assert_array_equal(images, before)

    def test_an_answer_stays_as_it_is_when_others_are_asked_for(self, opened, images):
        backend = opened()
        first = backend.infer(images[0])
        kept = first.copy()
        for image in images[1:]:
            backend.infer(image)
        np.testing.assert_array_equal(first, kept)

    def test_eight_threads_get_their_own_answers_bit_for_bit(self, opened, images):
        backend = opened()
        alone = [backend.infer(image) for image in images]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(backend.infer, [image for _ in range(30) for image in images]))
        for index, answer in enumerate(together):
            np.testing.assert_array_equal(answer, alone[index % len(images)])

    @pytest.mark.parametrize("threads", [1, 2, 3, 8])
    def test_the_thread_count_does_not_change_a_bit(self, opened, images, threads):
        usual, other = opened(), opened(threads=threads)
        for image in images:
            np.testing.assert_array_equal(usual.infer(image), other.infer(image))

    @pytest.mark.parametrize("threads", [0, -1])
    def test_fewer_than_one_thread_is_wrong_usage(self, opened, threads):
        with pytest.raises(UsageError, match="at least 1"):
            opened(threads=threads)

    def test_a_closed_backend_says_so_and_closes_twice(self, opened, images):
        backend = opened()
        backend.infer(images[0])
        backend.close()
        backend.close()
        with pytest.raises(InputError, match="closed"):
            backend.infer(images[0])

    @pytest.mark.parametrize(
        "spoil", [b"", b"\0" * 64, b"<net/>", "half"], ids=["empty", "zeros", "xml", "half"]
    )
    def test_a_model_that_is_none_is_a_bundle_error_in_one_line(self, opened, both_files, spoil):
        whole = both_files[self.model]
        content = whole[: len(whole) // 2] if spoil == "half" else spoil
        with pytest.raises(BundleError) as refused:
            opened(**{self.model.replace(".", "_"): content})
        assert "\n" not in str(refused.value)

    def test_an_answer_that_is_no_probability_is_a_bundle_error(self, opened, dishonest, images):
        backend = opened(**dishonest)
        with pytest.raises(BundleError, match="no probabilities"):
            backend.infer(images[0])
