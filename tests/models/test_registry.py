"""Networks by name."""

import re

import pytest

torch = pytest.importorskip("torch")

from xopt.models.registry import ARCHITECTURES, build, check_architecture  # noqa: E402
from xopt.runtime.errors import UsageError  # noqa: E402


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_answers_with_one_logit_a_class(name, channels):
    network = build(name, 5, channels).eval()
    with torch.inference_mode():
        logits = network(torch.zeros(2, channels, 64, 64))
    assert logits.shape == (2, 5)
    assert logits.dtype == torch.float32


def test_the_same_torch_seed_builds_the_same_network():
    torch.manual_seed(3)
    first = build("resnet18", 2, 1).state_dict()
    torch.manual_seed(3)
    second = build("resnet18", 2, 1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("densenet-121", "densenet121"),
        ("DenseNet121", "densenet121"),
        ("resnet81", "resnet18"),
        ("mobilenetv3", "mobilenet_v3_small"),
        ("efficientnet", "efficientnet_b0"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(UsageError, match=f"did you mean {near}"):
        build(name, 2)


def test_a_name_like_no_other_is_refused_with_all_that_are_known():
    with pytest.raises(UsageError, match="unknown architecture 'xyz'; known are densenet121, "):
        build("xyz", 2)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("resnet18-lcn", "resnet18"),
        ("small-cnn-lcn", "small-cnn"),
        ("patches", "resnet18"),
        ("patches+patches", "resnet18"),
        ("patches+small-cnn", "small-cnn"),
        ("resnet18+resnet18", "resnet18"),
        ("macro-12022100+macro-12022100", "macro-12022100"),
        ("densenet121-lcn+resnet18-lcn+patches", "densenet121"),
        ("resnet18+", "resnet18"),
    ],
)
def test_what_version_0_1_built_besides_is_refused_by_name(name, instead):
    said = (
        f"architecture '{name}' was removed after version 0.1: local contrast, patches and networks side by "
        f"side are no longer built; train again with {instead}"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        check_architecture(name)


@pytest.mark.parametrize(("classes", "channels"), [(0, 3), (-1, 3), (2, 2), (2, 0)])
def test_numbers_that_no_network_can_have_are_refused(classes, channels):
    with pytest.raises(UsageError, match="got"):
        build("resnet18", classes, channels)
