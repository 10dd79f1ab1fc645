"""Networks split at their global average pool."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from xopt.models.backbone import split_network  # noqa: E402
from xopt.models.registry import ARCHITECTURES, build  # noqa: E402


@pytest.mark.parametrize(
    "name", [*ARCHITECTURES, "macro-12022100", "macro-2100-depths2.2-widths24.48", "macro-1-depths1-widths8"]
)
def test_the_head_on_the_mean_of_the_backbone_is_the_network(name):
    torch.manual_seed(1)
    network = build(name, 4).eval()
    parts = split_network(name, network)
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        features = parts.backbone(images)
        assert torch.allclose(parts.head(features.mean((2, 3))), network(images), atol=1e-5)
    assert features.shape[2:] == (96 // parts.stride, 96 // parts.stride)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_cell_of_the_map_stands_for_a_stride_of_pixels(name):
    # Shapes are all that is asked for, and these need no arithmetic.
    parts = split_network(name, build(name, 2).eval().to("meta"))
    assert parts.stride == (4 if name == "small-cnn" else 32)
    for side in (64, 72, 224, 256):
        # DenseNet's transitions pool without padding, so its map is rounded down.
        cells = side // 32 if name == "densenet121" else -(-side // parts.stride)
        maps = parts.backbone(torch.zeros(1, 3, side, side, device="meta"))
        assert maps.shape[2:] == (cells, cells)
