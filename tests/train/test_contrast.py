"""Local contrast: what it forgets of an image, and networks that see it beside the image itself."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from tests.train.tiny import TINY, write_data  # noqa: E402
from xopt.datasets import open_source  # noqa: E402
from xopt.runtime.errors import CheckpointError, UsageError  # noqa: E402
from xopt.train.anatomy import head_name, take_apart  # noqa: E402
from xopt.train.checkpoints import load_checkpoint, save_checkpoint  # noqa: E402
from xopt.train.contrast import WINDOW, LocalContrast, WithLocalContrast  # noqa: E402
from xopt.train.ensembles import first_convolutions  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.models import ARCHITECTURES, build, check_architecture, stride  # noqa: E402
from xopt.train.starting import start_pretrained  # noqa: E402


def test_local_contrast_forgets_exposure_and_leaves_flat_places_flat():
    torch.manual_seed(0)
    image = torch.randn(1, 1, 20, 20)
    contrast = LocalContrast()
    torch.testing.assert_close(contrast(image + 3), contrast(image), atol=1e-4, rtol=1e-4)
    assert (contrast(2 * image) - contrast(image)).abs().max() < 0.1
    assert contrast(torch.full((1, 1, 9, 9), 0.7)).abs().max() < 1e-3
    # By the definition, at a pixel whose neighbourhood is whole.
    half = WINDOW // 2
    centred = image[0, 0] - torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(image, (half,) * 4, mode="replicate"), WINDOW, 1
    )
    around = centred[0, 0, 10 - half : 11 + half, 10 - half : 11 + half]
    expected = centred[0, 0, 10, 10] / (around.square().mean() + 0.01).sqrt()
    torch.testing.assert_close(contrast(image)[0, 0, 10, 10], expected)


def test_the_image_itself_stays_the_first_plane():
    image = torch.randn(2, 1, 20, 20)
    planes = WithLocalContrast()(image)
    assert torch.equal(planes[:, :1], image)
    assert torch.equal(planes[:, 1:], LocalContrast()(image))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_can_see_it(name, tmp_path):
    with_it, side = f"{name}-lcn", 32
    assert stride(with_it) == stride(name)
    assert head_name(with_it) == head_name(name)
    torch.manual_seed(0)
    network = build(with_it, 2, 1).eval()
    (tmp_path / "run").mkdir()
    preprocessing = replace(TINY, size=side, crop=side).preprocessing()
    save_checkpoint(
        tmp_path / "run", network, architecture=with_it, classes=("a", "b"), preprocessing=preprocessing
    )
    read = load_checkpoint(tmp_path / "run").network
    images = torch.randn(2, 1, side, side)
    with torch.no_grad():
        expected = network(images)
        assert torch.equal(read(images), expected)
        parts = take_apart(with_it, read)
        torch.testing.assert_close(
            parts.head(parts.trunk(images).mean((2, 3))), expected, atol=1e-5, rtol=1e-4
        )
        (first,) = first_convolutions(network)
        first.weight[:, 1] = 0
        assert not torch.equal(network(images), expected)


def test_a_network_learns_with_it(tmp_path):
    dataset = open_source(write_data(tmp_path))
    recipe = replace(TINY, architecture="small-cnn-lcn", epochs=2)
    first, last = train(dataset, recipe).history
    assert last.train_loss < first.train_loss


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18-lcm", "unknown architecture 'resnet18-lcm'; did you mean resnet18-lcn.*and NAME-lcn"),
        ("patches-lcn", "unknown architecture 'patches-lcn'"),
        ("macro-12122122-lcn", "macro-12122122-lcn|12122122-lcn"),
        ("resnet18-lcn+small-cnn-lcn", "resnet18-lcn 32, small-cnn-lcn 4"),
    ],
)
def test_other_names_are_told(name, message):
    with pytest.raises(UsageError, match=message):
        check_architecture(name)


def test_it_is_for_one_grey_plane_and_has_no_weights_of_imagenet_s():
    with pytest.raises(
        UsageError, match="resnet18-lcn reads one grey plane, got 3 channels; set channels = 1"
    ):
        build("resnet18-lcn", 2, 3)
    recipe = replace(TINY, architecture="resnet18-lcn")
    with pytest.raises(CheckpointError, match="no ImageNet weights of resnet18-lcn; start from a file"):
        start_pretrained(build("resnet18-lcn", 2, 1), recipe)
