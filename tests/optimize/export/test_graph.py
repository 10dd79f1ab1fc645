"""The graph before it is exported, against torchvision's own crops."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torchvision.transforms import functional  # noqa: E402

from xopt.models.backbone import NetworkParts, split_network  # noqa: E402
from xopt.models.registry import build  # noqa: E402
from xopt.optimize.export.graph import InferenceGraph  # noqa: E402
from xopt.runtime.images.preprocessing import Preprocessing, Resize  # noqa: E402

PREPROCESSING = Preprocessing.square(20, 15)

REFERENCES = {
    "center": lambda image: (functional.center_crop(image, 15),),
    "five": lambda image: functional.five_crop(image, 15),
    "ten": lambda image: functional.ten_crop(image, 15),
}


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8, generator=generator)


def network(channels: int) -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(channels, 4, 5), nn.ReLU(), GlobalAverage(), nn.Linear(4, 3)).eval()


class GlobalAverage(nn.Module):
    def forward(self, features):
        return features.mean((2, 3))


def graph(net: nn.Module, preprocessing: Preprocessing, task: str) -> InferenceGraph:
    return InferenceGraph(net, NetworkParts(backbone=net[:2], head=net[3]), preprocessing, task).eval()


@pytest.mark.parametrize("task", ["multi-label", "multi-class", "binary"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plan", REFERENCES)
def test_it_answers_like_torchvision_crops_normalised_one_by_one(images, plan, channels, task):
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels]
    preprocessing = replace(PREPROCESSING, crops=plan, planes=channels, mean=mean, std=std)
    net = network(channels)
    with torch.inference_mode():
        probabilities, maps, of_crops, of_cells, crops = graph(net, preprocessing, task)(images)
        expected = []
        for image in images:
            windows = torch.stack(REFERENCES[plan](image.unsqueeze(0)))
            grey = windows.expand(-1, channels, -1, -1).float() / 255
            logits = net(functional.normalize(grey, mean, std))
            each = logits.softmax(1) if task == "multi-class" else logits.sigmoid()
            expected.append(each.mean(0))
    assert torch.allclose(probabilities, torch.stack(expected), atol=1e-6)
    count = len(REFERENCES[plan](images))
    assert crops.shape == (3 * count, 1, 15, 15)
    assert crops.dtype == torch.uint8
    assert of_crops.shape == (3 * count, 1, 3)
    assert maps.shape == (3, count, 3, 11, 11)
    assert of_cells.shape == (3 * count, 3, 11, 11)


def test_activation_maps_average_to_the_logits_of_a_linear_head(images):
    preprocessing = replace(PREPROCESSING, crops="ten", planes=1, mean=(0.4,), std=(0.2,))
    with torch.inference_mode():
        _, maps_NVCHW, of_crops_MWC, _, _ = graph(network(1), preprocessing, "multi-label")(images)
    of_crops_VNC = of_crops_MWC.reshape(10, 3, 3)
    assert torch.allclose(maps_NVCHW.mean((3, 4)).sigmoid().transpose(0, 1), of_crops_VNC, atol=1e-6)


class TestSharedPlan:
    """The trunk runs on the whole image, and its mirror; the windows come out of the feature map."""

    # Windows of 64 in 128 pixels lie 0, 1 and 2 whole cells of 32 pixels into the map.
    ON_CELLS = Preprocessing.square(128, 64, crops="ten-shared")

    def test_the_network_sees_the_whole_image_and_its_mirror(self):
        net = build("resnet18", 3).eval()
        images = torch.randint(0, 256, (2, 128, 128), dtype=torch.uint8)
        shared = InferenceGraph(net, split_network("resnet18", net), self.ON_CELLS, "multi-label")
        views = shared.cut(images)
        assert torch.equal(views[:2, 0], images)
        assert torch.equal(views[2:, 0], images.flip(-1))

    @pytest.mark.parametrize("task", ["multi-label", "multi-class"])
    @pytest.mark.parametrize(("plan", "views"), [("five", 1), ("ten", 2)])
    def test_without_padding_it_is_the_exact_plan(self, plan, views, task):
        # Kernels as wide as their stride see no padding, so nothing but the pooling could differ.
        torch.manual_seed(3)
        layers = [nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.Conv2d(8, 5, 4, stride=4)]
        net = nn.Sequential(*layers, GlobalAverage(), nn.Linear(5, 3)).eval()
        parts = NetworkParts(backbone=net[:3], head=net[4])
        images = torch.randint(0, 256, (2, 128, 128), dtype=torch.uint8)
        with torch.inference_mode():
            plans = [replace(self.ON_CELLS, crops=name) for name in (f"{plan}-shared", plan)]
            shared, exact = (InferenceGraph(net, parts, one, task)(images) for one in plans)
        assert torch.allclose(shared[0], exact[0], atol=1e-6)
        assert shared[1].shape == (2, views, 3, 4, 4)
        # View by view the windows are the exact plan's, in its order.
        of_windows = shared[2].reshape(views, 2, 5, 3).permute(0, 2, 1, 3).reshape(5 * views, 2, 3)
        assert torch.allclose(of_windows, exact[2].reshape(5 * views, 2, 3), atol=1e-6)

    def test_the_answer_of_the_mirrored_image_is_the_same(self):
        torch.manual_seed(5)
        net = build("mobilenet_v3_small", 3).eval()
        parts = split_network("mobilenet_v3_small", net)
        shared = InferenceGraph(
            net, parts, replace(self.ON_CELLS, resize=Resize(size=(72, 72))), "multi-label"
        )
        image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 72, 72), dtype=np.uint8))
        with torch.inference_mode():
            assert torch.allclose(shared(image)[0], shared(image.flip(-1))[0], atol=1e-6)
