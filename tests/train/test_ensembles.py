"""Networks side by side: each learns as it would alone, and together they answer as one network."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.train.tiny import TINY, write_data  # noqa: E402
from xopt.datasets import open_source  # noqa: E402
from xopt.runtime.errors import CheckpointError, UsageError  # noqa: E402
from xopt.train.anatomy import take_apart  # noqa: E402
from xopt.train.checkpoints import load_checkpoint, save_checkpoint  # noqa: E402
from xopt.train.ensembles import Ensemble, apart, check_sides, first_convolutions, join  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.models import MAX_MEMBERS, build, check_architecture, members, plan, stride  # noqa: E402

ALONE = TINY.architecture
TWO = replace(TINY, architecture=f"{ALONE}+{ALONE}")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_source(write_data(tmp_path_factory.mktemp("data")))


def weights_of(network):
    return {key: tensor.numpy() for key, tensor in network.state_dict().items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"clip_norm": 0.1, "optimizer": "sgd", "accumulate": 2, "ema": 0.9},
        {"ten_crop": "probabilities", "random_crop": False, "mirror": False},
        {"rotation": 10.0, "contrast": 0.3, "loss": "focal", "positive_weight": "none"},
    ],
)
def test_a_member_learns_as_it_would_alone(dataset, changes):
    alone = train(dataset, replace(TINY, epochs=2, keep="last", **changes))
    both = train(dataset, replace(TWO, epochs=2, keep="last", **changes)).network
    # The first one built gets the random weights that one alone gets.
    first, second = both.members
    for key, weights in weights_of(alone.network).items():
        np.testing.assert_array_equal(weights_of(first)[key], weights, err_msg=key)
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


def test_the_loss_is_the_members_mean(dataset):
    alone = train(dataset, replace(TINY, epochs=1)).history[0].train_loss
    both = train(dataset, replace(TWO, epochs=1))
    assert both.history[0].train_loss == pytest.approx(alone, rel=0.2)
    assert both.history[0].train_loss != alone


def test_a_teacher_teaches_every_member(dataset, tmp_path):
    train(dataset, TWO, run=tmp_path / "teacher")
    taught = train(dataset, replace(TWO, epochs=2, keep="last"), teacher=tmp_path / "teacher")
    alone = train(dataset, replace(TINY, epochs=2, keep="last"), teacher=tmp_path / "teacher")
    np.testing.assert_array_equal(
        taught.network.members[0].classifier.weight.detach(), alone.network.classifier.weight.detach()
    )


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("resnet18+densenet121", 64),
        ("mobilenet_v3_small+efficientnet_b0+mobilenet_v3_small", 64),
        ("small-cnn+small-cnn+small-cnn", 28),
        (TWO.architecture, 10),
    ],
)
def test_joined_they_give_their_mean_logit(name, side):
    torch.manual_seed(0)
    network = build(name, 3, 1).eval()
    images = torch.randn(2, 1, side, side)
    joined = join(network)
    with torch.no_grad():
        expected = torch.stack([member(images) for member in network.members]).mean(0)
        torch.testing.assert_close(network(images), expected)
        torch.testing.assert_close(joined(images), expected, atol=1e-5, rtol=1e-4)
        parts = take_apart(name, joined)
        features = parts.trunk(images)
        torch.testing.assert_close(parts.head(features.mean((2, 3))), expected, atol=1e-5, rtol=1e-4)
    assert features.shape[-1] == -(-side // parts.stride)
    assert [part for part in joined.modules() if isinstance(part, nn.Linear)][-1].out_features == 3
    assert len(first_convolutions(joined)) == len(first_convolutions(network)) == len(members(name))
    # The joined network has weights of its own.
    joined.classifier[-1].weight.data.zero_()
    torch.testing.assert_close(network(images), expected)


def test_a_network_alone_stays_as_it_is():
    network = build("resnet18", 2, 1)
    assert join(network) is network
    assert apart(network) == (network,)
    assert not isinstance(network, Ensemble)
    assert len(first_convolutions(network)) == 1


def test_a_checkpoint_is_stored_apart_and_read_joined(tmp_path):
    torch.manual_seed(1)
    network = build("small-cnn+small-cnn", 2, 1).eval()
    preprocessing = replace(TINY, size=32, crop=28).preprocessing()
    save_checkpoint(
        tmp_path,
        network,
        architecture="small-cnn+small-cnn",
        classes=("a", "b"),
        preprocessing=preprocessing,
    )
    checkpoint = load_checkpoint(tmp_path)
    images = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(checkpoint.network(images), network(images), atol=1e-5, rtol=1e-4)
    with pytest.raises(UsageError, match="does not say what images"):
        load_checkpoint(
            tmp_path / "checkpoint.safetensors", architecture="small-cnn+small-cnn", classes=["a", "b"]
        )


def test_a_training_goes_on_from_another_s_weights(dataset, tmp_path):
    train(dataset, replace(TWO, epochs=1), run=tmp_path / "run")
    more = train(dataset, replace(TWO, epochs=1, learning_rate=1e-12), weights=tmp_path / "run")
    joined = load_checkpoint(tmp_path / "run").network
    torch.testing.assert_close(join(more.network).classifier[0].weight, joined.classifier[0].weight)
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        train(dataset, replace(TINY, epochs=1), weights=tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18+small-cnn", "need the same stride in pixels, found resnet18 32, small-cnn 4"),
        ("resnet18+resnet19", "unknown architecture 'resnet19'; did you mean resnet18"),
        ("resnet18+", "unknown architecture ''"),
        ("+".join(["small-cnn"] * (MAX_MEMBERS + 1)), "17 networks side by side; at most 16 are built"),
    ],
)
def test_what_cannot_stand_side_by_side_is_told(name, message):
    with pytest.raises(UsageError, match=message.replace("+", r"\+")):
        check_architecture(name)


def test_maps_of_different_sides_are_told():
    joined = join(build("resnet18+densenet121", 2, 1))
    with pytest.raises(UsageError, match="108 pixels makes 4 cells of resnet18, 3 cells of densenet121"):
        joined(torch.zeros(1, 1, 108, 108))


def test_maps_of_different_sides_are_told_before_anything_is_trained(dataset):
    uneven = replace(TINY, architecture="mobilenet_v3_small+densenet121", size=40, crop=40)
    with pytest.raises(UsageError, match="40 pixels makes 2 cells of mobilenet_v3_small, 1 cells of dense"):
        train(dataset, uneven)
    check_sides("resnet18+densenet121", 96)
    check_sides("small-cnn+small-cnn", 27)


def test_a_joined_network_is_not_saved_for_the_one_that_was_trained(dataset, tmp_path):
    train(dataset, replace(TWO, epochs=1), run=tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")
    with pytest.raises(UsageError, match="was joined for export; save the network that was trained"):
        save_checkpoint(
            tmp_path,
            checkpoint.network,
            architecture=checkpoint.architecture,
            classes=checkpoint.classes,
            preprocessing=checkpoint.preprocessing,
        )


def test_only_joined_they_are_taken_apart():
    with pytest.raises(ValueError, match="taken apart when they are joined"):
        take_apart("small-cnn+small-cnn", build("small-cnn+small-cnn", 2, 1))


def test_names_of_several_have_a_stride_and_no_plan():
    assert members("a+b") == ("a", "b")
    assert stride("small-cnn+small-cnn") == 4
    assert stride("densenet121+resnet18") == 32
    assert plan(TWO.architecture) is None
