"""Networks that are made fragile still compute what they did."""

import pytest

pytest.importorskip("torch")

from xopt.models.registry import build

from .fragile import basic_pairs, dense_pairs, make_fragile


@pytest.mark.parametrize(
    ("architecture", "pairs"),
    [("resnet18", basic_pairs("layer1.0", "layer3.1")), ("densenet121", dense_pairs())],
)
def test_a_fragile_network_has_the_same_logits(architecture, pairs):
    import torch

    torch.manual_seed(0)
    network = build(architecture, 3).eval()
    fragile = make_fragile(network, pairs)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(fragile(images), network(images), rtol=1e-4, atol=1e-5)
    for before, after in pairs:
        norm, scaled = network.get_submodule(before), fragile.get_submodule(before)
        assert (scaled.weight != norm.weight).sum() == 4
        assert (fragile.get_submodule(after).weight != network.get_submodule(after).weight).any()
