"""Checkpoints: ours, bare ones, the shared one; saved, loaded, and refused with the reason."""

import json
from hashlib import sha256

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from xopt.datasets import FINDINGS  # noqa: E402
from xopt.models.checkpoint import (  # noqa: E402
    load_checkpoint,
    read_classes,
    save_checkpoint,
)
from xopt.models.registry import build  # noqa: E402
from xopt.runtime.errors import CheckpointError, OutputError, UsageError  # noqa: E402
from xopt.runtime.images.preprocessing import Preprocessing  # noqa: E402
from xopt.runtime.schema import to_facts  # noqa: E402

GREY = Preprocessing.square(72, 64, planes=1, mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return build("small-cnn", 2, 1).eval()


@pytest.fixture
def run(tmp_path, network):
    """A run folder with a checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    save_checkpoint(
        folder,
        network,
        architecture="small-cnn",
        classes=("Normal", "Röntgen finding"),
        preprocessing=GREY,
        notes={"epochs": 3},
        task="multi-class",
    )
    return folder


def edit(run, **changes):
    """Change the JSON of a run; None removes a key."""
    path = run / "checkpoint.json"
    facts = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))


def bare(run, *, remove=("preprocessing", "notes", "task", "sha256"), **changes):
    edit(run, **dict.fromkeys(remove), **changes)
    return run


@pytest.mark.parametrize("form", ["the folder", "the json", "the weights"])
def test_what_was_saved_is_loaded_again(run, network, form):
    path = {
        "the folder": run,
        "the json": run / "checkpoint.json",
        "the weights": run / "checkpoint.safetensors",
    }
    loaded = load_checkpoint(path[form])
    assert loaded.architecture == "small-cnn"
    assert loaded.task == "multi-class"
    assert loaded.classes == ("Normal", "Röntgen finding")
    assert loaded.preprocessing == GREY
    assert loaded.notes == {"epochs": 3}
    assert loaded.source == "checkpoint.safetensors"
    assert loaded.digest == sha256((run / "checkpoint.safetensors").read_bytes()).hexdigest()
    assert not loaded.network.training
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.network(image), network(image))


def test_saving_again_replaces_the_checkpoint_and_nothing_else(run, network):
    (run / "metrics.csv").write_text("kept")
    save_checkpoint(run, network, architecture="small-cnn", classes=("a", "b"), preprocessing=GREY)
    assert load_checkpoint(run).classes == ("a", "b")
    # The weights take turns between two names, so that neither is ever half of each.
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoint.json",
        "checkpoint.other.safetensors",
        "metrics.csv",
    ]


def test_the_same_network_is_saved_as_the_same_bytes(run, network):
    names = ("checkpoint.json", "checkpoint.safetensors")
    before = [(run / name).read_bytes() for name in names]
    loaded = load_checkpoint(run)
    again = run.with_name("again")
    again.mkdir()
    save_checkpoint(
        again,
        network,
        architecture="small-cnn",
        classes=loaded.classes,
        preprocessing=GREY,
        notes={"epochs": 3},
        task="multi-class",
    )
    assert before == [(again / name).read_bytes() for name in names]


def test_a_diverged_network_is_not_saved(tmp_path):
    network = build("small-cnn", 2)
    with torch.no_grad():
        network.classifier.bias[0] = float("nan")
    with pytest.raises(CheckpointError, match=r"NaN or infinite weights in 1 places \(classifier.bias\)"):
        save_checkpoint(
            tmp_path, network, architecture="small-cnn", classes=("a", "b"), preprocessing=Preprocessing()
        )
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_to_save_in_is_an_output_error(tmp_path, network):
    with pytest.raises(OutputError, match="no folder"):
        save_checkpoint(
            tmp_path / "no", network, architecture="small-cnn", classes=("a", "b"), preprocessing=GREY
        )


def test_changed_weights_are_refused(run):
    path = run / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="changed, or interrupted while saving"):
        load_checkpoint(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "resnet19"}, "did you mean resnet18"),
        ({"architecture": 3}, "architecture must be text, got 3"),
        ({"architecture": None}, "it has no architecture"),
        ({"weights": None, "classes": None}, "it has no weights, classes"),
        ({"weights": "../outside.safetensors"}, "weights must name a file beside it"),
        ({"weights": "checkpoint.json"}, "weights must name a file beside it"),
        ({"weights": "absent.safetensors"}, "cannot read .*absent.safetensors"),
        ({"classes": []}, "classes must list the name of each output"),
        ({"classes": "ab"}, "classes must be a list, got 'ab'"),
        ({"classes": ["a", 1]}, r"classes\[1\] must be text, got 1"),
        ({"classes": ["a", "a"]}, "classes must be named once each"),
        ({"classes": ["a", "b", "c"]}, r"classifier.weight is \(2, \d+\), not \(3, \d+\)"),
        ({"task": "regression"}, "task must be one of"),
        ({"preprocessing": [1]}, "preprocessing must be an object"),
        ({"preprocessing": {"size": 1}}, "preprocessing lacks crop"),
        ({"preprocessing": to_facts(GREY) | {"crop_size": [99, 99]}}, "crop must be in 1..72"),
        ({"preprocessing": to_facts(GREY) | {"mean": [1, 2]}}, "mean must hold 1 numbers"),
        ({"preprocessing": None, "size": 64.5}, r"size\[0\] must be a whole number"),
        ({"preprocessing": None, "std": "wide"}, r"preprocessing.std\[0\] must be a number, got 'wide'"),
    ],
)
def test_a_json_that_does_not_fit_is_refused(run, changes, said):
    edit(run, **changes)
    with pytest.raises(CheckpointError, match=said) as refusal:
        load_checkpoint(run)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000])
def test_a_json_that_is_none_is_refused(run, content):
    (run / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json"):
        load_checkpoint(run)


OLD = {"size": 70, "crop": 64, "crops": "five", "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}
"""As the checkpoints of xopt 0.1 have it."""


@pytest.mark.parametrize(
    ("keys", "preprocessing"),
    [
        ({}, Preprocessing()),
        ({"mean": 0.5, "std": 0.25}, Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3)),
        ({"mean": [0.1, 0.2, 0.3]}, Preprocessing(mean=(0.1, 0.2, 0.3))),
        ({"size": 80, "crop": 64}, Preprocessing.square(80, 64)),
        ({"preprocessing": to_facts(Preprocessing.square(70, 64))}, Preprocessing.square(70, 64)),
        (
            {"preprocessing": OLD},
            Preprocessing.square(70, 64, crops="five", mean=(0.5,) * 3, std=(0.25,) * 3),
        ),
    ],
)
def test_preprocessing_may_be_one_object_or_single_keys(tmp_path, keys, preprocessing):
    network = build("small-cnn", 2)
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    facts = {
        "architecture": "small-cnn",
        "weights": "net.safetensors",
        "classes": ["a", "b"],
        "author": "x",
        **keys,
    }
    (tmp_path / "net.json").write_text(json.dumps(facts))
    loaded = load_checkpoint(tmp_path / "net.json")
    assert loaded.preprocessing == preprocessing
    assert loaded.task == "multi-label"
    assert loaded.notes == {"author": "x"}


def test_one_grey_channel_takes_the_mean_of_imagenet_figures(run):
    bare(run, channels=1)
    assert load_checkpoint(run).preprocessing == Preprocessing(planes=1, mean=(0.449,), std=(0.226,))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".pth.tar"])
def test_a_bare_weights_file_loads_with_its_architecture_and_classes(tmp_path, suffix):
    network = build("mobilenet_v3_small", 3).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save({"state_dict": network.state_dict()}, path)
    loaded = load_checkpoint(path, architecture="mobilenet_v3_small", classes=("a", "b", "c"))
    assert torch.equal(loaded.network.classifier[-1].weight, network.classifier[-1].weight)
    assert loaded.preprocessing == Preprocessing()
    assert loaded.source == f"weights{suffix}"
    assert "ImageNet" in loaded.notes["assumed"]


@pytest.mark.parametrize("given", [{}, {"architecture": "resnet18"}, {"classes": ("a", "b")}])
def test_a_bare_weights_file_without_its_facts_is_refused(tmp_path, given):
    torch.save(build("small-cnn", 2).state_dict(), tmp_path / "m.pth")
    with pytest.raises(UsageError, match=r"add --arch NAME and --classes FILE"):
        load_checkpoint(tmp_path / "m.pth", **given)


def test_a_bare_weights_file_of_a_searched_network_does_not_say_its_input(tmp_path):
    torch.save(build("macro-10000000", 2).state_dict(), tmp_path / "m.pth")
    with pytest.raises(UsageError, match="does not say what images macro-10000000 was trained on"):
        load_checkpoint(tmp_path / "m.pth", architecture="macro-10000000", classes=("a", "b"))


def test_facts_that_the_checkpoint_itself_says_are_not_overruled(run):
    with pytest.raises(UsageError, match="leave --arch and --classes out"):
        load_checkpoint(run, architecture="resnet18", classes=("a", "b"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "no checkpoint at"),
        ("absent.pth", "no checkpoint at"),
        ("folder", "is no run folder, it holds no checkpoint.json"),
        ("model.onnx", "no checkpoint by its suffix"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(tmp_path / name)


def test_class_names_come_one_a_line(tmp_path):
    (tmp_path / "classes.txt").write_text("Normal\n\n Pneumonia \r\n", encoding="utf-8-sig")
    assert read_classes(tmp_path / "classes.txt") == ("Normal", "Pneumonia")
    assert read_classes("nih14") == FINDINGS


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a\nb\na\n", b"\xff\xfe\x00"])
def test_class_names_that_are_none_are_refused(tmp_path, content):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(UsageError, match=r"classes\.txt"):
        read_classes(tmp_path / "classes.txt")


def test_a_missing_file_of_class_names_is_refused(tmp_path):
    with pytest.raises(UsageError, match="give a file with one name a line, or nih14"):
        read_classes(tmp_path / "absent.txt")


@pytest.mark.shared
def test_the_shared_checkpoint_loads_as_it_is(shared):
    loaded = load_checkpoint(shared / "data/checkpoints/densenet121-nih-mini.json")
    assert loaded.architecture == "densenet121"
    assert loaded.classes == FINDINGS
    assert loaded.preprocessing == Preprocessing(mean=(0.50196078,) * 3, std=(0.25098039,) * 3)
    assert loaded.notes["centre_crop_mean_auc_on_test_list"] == 0.7365


@pytest.mark.shared
def test_the_shared_weights_rebuilt_as_a_public_chexnet_load_equal(shared, tmp_path):
    ours = load_checkpoint(shared / "data/checkpoints/densenet121-nih-mini.json")
    public = {
        "module.densenet121." + key.replace("classifier.", "classifier.0."): tensor
        for key, tensor in ours.network.state_dict().items()
    }
    torch.save({"state_dict": public, "epoch": 1}, tmp_path / "m.pth.tar")
    theirs = load_checkpoint(
        tmp_path / "m.pth.tar", architecture="densenet121", classes=read_classes("nih14")
    )
    wanted = ours.network.state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in theirs.network.state_dict().items())
    assert theirs.classes == ours.classes
