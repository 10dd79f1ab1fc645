import pytest
import torch

from xopt.models.registry import ARCHITECTURES, build
from xopt.optimize.export.graph import fold_grey_planes
from xopt.runtime import Preprocessing


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_folded_network_gives_the_same_logits(architecture):
    torch.manual_seed(0)
    network = build(architecture, 3).eval()
    grey = torch.randn(2, 1, 64, 64)
    folded, preprocessing = fold_grey_planes(network, Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3))
    assert (preprocessing.planes, preprocessing.mean, preprocessing.std) == (1, (0.5,), (0.25,))
    with torch.inference_mode():
        torch.testing.assert_close(folded(grey), network(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    assert next(iter(network.parameters())).shape[1] == 3


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing(), Preprocessing(mean=(0.5,) * 3), Preprocessing(planes=1, mean=(0.5,), std=(0.5,))],
    ids=["imagenet", "own-deviations", "one-plane"],
)
def test_planes_that_differ_stay_as_they_are(preprocessing):
    network = build("resnet18", 2, preprocessing.planes)
    assert fold_grey_planes(network, preprocessing) == (network, preprocessing)
