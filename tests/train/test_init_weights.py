"""Weights to start from: a file's, ImageNet's, on three planes or one."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from xopt.models import save_checkpoint  # noqa: E402
from xopt.models.registry import build  # noqa: E402
from xopt.runtime.errors import CheckpointError  # noqa: E402
from xopt.train.init_weights import digest_of, start_from, start_pretrained  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402

RECIPE = Recipe(architecture="resnet18", epochs=1, learning_rate=0.1, size=72, crop=64)
GREY = replace(RECIPE, channels=1, mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network of three planes and five classes, as a bare file and as a run."""
    torch.manual_seed(1)
    network = build("resnet18", 5)
    folder = tmp_path_factory.mktemp("source")
    torch.save(
        {"state_dict": {f"module.{key}": tensor for key, tensor in network.state_dict().items()}},
        folder / "bare.pth",
    )
    (folder / "run").mkdir()
    save_checkpoint(
        folder / "run",
        network,
        architecture="resnet18",
        classes=list("abcde"),
        preprocessing=RECIPE.preprocessing(),
    )
    return folder, network


def fresh(classes, channels=3):
    torch.manual_seed(2)
    return build("resnet18", classes, channels)


@pytest.mark.parametrize("name", ["bare.pth", "run", "run/checkpoint.json", "run/checkpoint.safetensors"])
def test_all_weights_are_taken_over_where_the_head_fits(source, name):
    folder, trained = source
    network = fresh(5)
    start_from(network, folder / name, RECIPE, "abcde")
    theirs = trained.state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "classes", "said"),
    [
        (
            "bare.pth",
            "abc",
            "is of another number of classes; the one for a, b, c starts from random weights",
        ),
        ("run", "abc", "is for a, b, c, d, e; the one for a, b, c starts"),
        # As many, but not the same: its rows would answer for other findings.
        ("run", "abced", "is for a, b, c, d, e; the one for a, b, c, e, d starts from random weights"),
        ("run/checkpoint.safetensors", "vwxyz", "is for a, b, c, d, e; the one for v, w, x, y, z starts"),
    ],
)
def test_a_head_of_other_classes_stays_fresh_and_is_named(source, name, classes, said, capsys):
    folder, trained = source
    network = fresh(len(classes))
    head = network.fc.weight.clone()
    start_from(network, folder / name, RECIPE, classes)
    assert f"the head of {folder / name} {said}" in capsys.readouterr().err
    assert torch.equal(network.fc.weight, head)
    assert torch.equal(network.conv1.weight, trained.conv1.weight)
    assert torch.equal(network.layer4[1].bn2.running_var, trained.layer4[1].bn2.running_var)


def test_a_bare_head_is_said_to_be_taken_for_the_classes_of_the_data(source, capsys):
    folder, trained = source
    network = fresh(5)
    start_from(network, folder / "bare.pth", RECIPE, "vwxyz")
    assert torch.equal(network.fc.bias, trained.fc.bias)
    assert "bare.pth names no classes; its head is taken to be for v, w, x, y, z" in capsys.readouterr().err


def test_a_json_beside_the_weights_that_is_not_ours_says_nothing_of_classes(source, tmp_path, capsys):
    folder, _ = source
    (tmp_path / "net.safetensors").write_bytes((folder / "run" / "checkpoint.safetensors").read_bytes())
    (tmp_path / "net.json").write_text('{"model_type": "resnet"}')
    start_from(fresh(5), tmp_path / "net.safetensors", RECIPE, "abcde")
    assert "names no classes" in capsys.readouterr().err


def test_a_folded_network_sees_in_grey_what_it_saw_in_colour(source):
    folder, trained = source
    # The recipe's mean is one that three planes can share; then the fold is exact, up to rounding.
    network = fresh(5, channels=1)
    recipe = replace(GREY, mean=(0.0,))
    start_from(network, folder / "bare.pth", recipe, "abcde")
    grey = torch.rand(2, 1, 64, 64)
    # Without subtracting a mean: what a constant would add is left to the normalisation that follows.
    colour = grey.expand(-1, 3, -1, -1) / torch.tensor(RECIPE.std).view(1, 3, 1, 1)
    network.eval()
    trained.eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(grey / recipe.std[0]), trained(colour), rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused(source):
    folder, _ = source
    with pytest.raises(CheckpointError, match=r"bare\.pth does not hold the weights of mobilenet_v3_small"):
        start_from(
            build("mobilenet_v3_small", 5),
            folder / "bare.pth",
            replace(RECIPE, architecture="mobilenet_v3_small"),
            "abcde",
        )
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nothing\.pth"):
        start_from(fresh(5), folder / "nothing.pth", RECIPE, "abcde")


def test_the_digest_is_of_the_weights_whatever_names_them(source):
    folder, _ = source
    digests = {digest_of(folder / name) for name in ("run", "run/checkpoint.json")}
    assert len(digests) == 1
    assert digest_of(folder / "bare.pth") not in digests


def test_without_a_network_connection_the_remedy_is_named(monkeypatch, tmp_path):
    # Nothing is cached in this folder, and nobody answers at this proxy.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CheckpointError, match=r"cannot fetch .*resnet18-.*\.pth .*--weights FILE"):
        start_pretrained(fresh(5), RECIPE)


def test_a_network_of_our_own_has_no_imagenet_weights():
    with pytest.raises(CheckpointError, match="no ImageNet weights of small-cnn; start from a file"):
        start_pretrained(build("small-cnn", 2), replace(RECIPE, architecture="small-cnn"))
