"""The graph before it is exported, against torchvision's own crops."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torchvision.transforms import functional  # noqa: E402

from xopt.optimize.graph import InferenceGraph  # noqa: E402
from xopt.runtime.preprocessing import Preprocessing  # noqa: E402

PREPROCESSING = Preprocessing(size=20, crop=15)

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
    return nn.Sequential(nn.Conv2d(channels, 4, 5), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).eval()


@pytest.mark.parametrize("task", ["multi-label", "multi-class", "binary"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plan", REFERENCES)
def test_it_answers_like_torchvision_crops_normalised_one_by_one(images, plan, channels, task):
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels]
    preprocessing = replace(PREPROCESSING, crops=plan, channels=channels, mean=mean, std=std)
    net = network(channels)
    with torch.inference_mode():
        net(torch.zeros(1, channels, 15, 15))
        probabilities, of_crops, crops = InferenceGraph(net, preprocessing, task).eval()(images)
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
    assert of_crops.shape == (3 * count, 3)
