"""What happens inside a real network, and the images that it is calibrated on for that."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")

from xopt.datasets import open_source
from xopt.optimize.quantize.activations import covering_radius, image_features, layer_ranges
from xopt.optimize.quantize.calibration import draw_calibration
from xopt.optimize.quantize.network import cut_network


@pytest.fixture(scope="module")
def source(small):
    return open_source(small.data)


@pytest.fixture(scope="module")
def features(model, bundle):
    return partial(image_features, model, bundle.manifest.preprocessing)


def test_ranges_are_those_of_what_enters_each_layer(model):
    dark, grey = (np.full((64, 64), value, dtype=np.uint8) for value in (0, 255))
    half = np.concatenate([dark[:16], grey[16:]])
    ranges = layer_ranges(cut_network(model), [dark, grey, half])
    assert ranges.shape == (3, 3 * 21)
    least, mean, largest = ranges[:, 0], ranges[:, 21], ranges[:, 42]
    # The first layer takes three planes, (x / 255 - mean) / std with ImageNet's figures.
    means, stds = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for row, value in enumerate((0, 1)):
        planes = (value - means) / stds
        found = (least[row], mean[row], largest[row])
        assert found == pytest.approx((planes.min(), planes.mean(), planes.max()), rel=1e-4)
    assert (least[2], largest[2]) == (least[0], largest[1])
    assert mean[2] == pytest.approx(0.25 * mean[0] + 0.75 * mean[1], rel=1e-4)
    assert (ranges[:, :21] <= ranges[:, 42:]).all()


@pytest.mark.parametrize("sampling", ["random", "stratified"])
def test_farthest_points_leave_less_uncovered_than_other_draws(source, features, sampling):
    everyone = draw_calibration(source, 1000).images
    points = features(everyone)
    place = {image: index for index, image in enumerate(everyone.images)}

    def radius(how: str, seed: int) -> float:
        drawn = draw_calibration(source, 12, seed=seed, sampling=how, features=features)
        assert (drawn.sampling, len(drawn.images)) == (how, 12)
        return covering_radius(points, [place[image] for image in drawn.images.images])

    assert radius("farthest", 0) < min(radius(sampling, seed) for seed in range(10))


def test_the_same_seed_draws_the_same_farthest_images(source, features):
    digests = [
        draw_calibration(source, 12, seed=seed, sampling="farthest", features=features).digest
        for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1] != digests[2]
