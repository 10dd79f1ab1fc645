"""Weights files as they are in circulation: read safely, matched by name, refused with the reason."""

import argparse
import io
import os
import re

import pytest

torch = pytest.importorskip("torch")

from xopt.models.registry import build  # noqa: E402
from xopt.models.weights import load_into, read_weights  # noqa: E402
from xopt.runtime.errors import CheckpointError  # noqa: E402


class RunsCode:
    """A pickle that would run a command when it is opened."""

    def __reduce__(self):
        return os.mkdir, ("must-not-appear",)


@pytest.fixture(scope="module")
def trained():
    """A DenseNet-121 with weights of its own in every place, also in BatchNorm's statistics."""
    torch.manual_seed(7)
    network = build("densenet121", 14).eval()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.9, 1.1)
    return network


def saved(content, **how) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def old_names(state):
    """As torchvision 0.2 named a dense layer: norm.1 for norm1, and no step counters."""
    return {
        re.sub(r"(denselayer\d+\.)(norm|conv)([12])\.", r"\1\2.\3.", key): tensor
        for key, tensor in state.items()
        if not key.endswith("num_batches_tracked")
    }


def prefixed(state, prefix):
    return {prefix + key: tensor for key, tensor in state.items()}


def sigmoid_inside(state):
    return {key.replace("classifier.", "classifier.0."): tensor for key, tensor in state.items()}


LAYOUTS = {
    "a plain state dict": lambda state: state,
    "DataParallel": lambda state: prefixed(state, "module."),
    "a named backbone": lambda state: prefixed(state, "densenet121."),
    "a sigmoid in the head": sigmoid_inside,
    "torchvision 0.2": old_names,
    "without step counters": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
    "wrapped as state_dict": lambda state: {"state_dict": state, "epoch": 3, "best": 0.8},
    "wrapped as model": lambda state: {"model": state, "optimizer": {"lr": 0.1, "groups": [1, 2]}},
    "wrapped twice": lambda state: {"model": {"state_dict": state}},
    "CheXNet as released": lambda state: {
        "epoch": 6,
        "best_loss": 0.1,
        "state_dict": prefixed(sigmoid_inside(old_names(state)), "module.densenet121."),
    },
}


def load_densenet(target, content) -> None:
    for tensor in target.state_dict().values():
        tensor.zero_()
    load_into(target, read_weights(content, "m.pth.tar"), architecture="densenet121", name="m.pth.tar")


@pytest.fixture(scope="module")
def target():
    return build("densenet121", 14)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_public_layouts_load_to_the_same_weights(trained, target, layout):
    load_densenet(target, saved(LAYOUTS[layout](trained.state_dict())))
    loaded, wanted = target.state_dict(), trained.state_dict()
    assert all(
        torch.equal(loaded[key], wanted[key]) for key in wanted if not key.endswith("num_batches_tracked")
    )


def test_a_file_from_before_torch_1_6_loads_to_the_same_weights(trained, target):
    wanted = trained.state_dict()
    old = LAYOUTS["CheXNet as released"](wanted)
    load_densenet(target, saved(old, _use_new_zipfile_serialization=False))
    assert all(
        torch.equal(tensor, wanted[key]) for key, tensor in target.state_dict().items() if "num" not in key
    )


def test_a_half_precision_file_loads_as_float32(trained, target):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in trained.state_dict().items()}
    load_densenet(target, saved(halves))
    assert target.classifier.weight.dtype == torch.float32
    assert torch.equal(target.classifier.weight, trained.classifier.weight.half().float())


def test_the_layers_of_other_heads_are_not_renamed():
    source, target = build("mobilenet_v3_small", 3), build("mobilenet_v3_small", 3)
    assert load_into(target, source.state_dict(), architecture="mobilenet_v3_small", name="m") == 0
    assert torch.equal(target.classifier[0].weight, source.classifier[0].weight)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"state_dict": RunsCode()}, "mkdir"),
        ({"args": argparse.Namespace(lr=1), "state_dict": {"a": torch.zeros(1)}}, "argparse.Namespace"),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
)
def test_a_pickle_of_other_objects_is_refused_unopened(tmp_path, monkeypatch, content, found):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"holds more than tensors .*{found}") as refusal:
        read_weights(saved(content), "m.pth")
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x02}q.", b"PK\x03\x04 cut", b"\x08" * 40])
def test_what_is_no_weights_file_is_refused_in_one_line(name, content):
    with pytest.raises(CheckpointError, match=name) as refusal:
        read_weights(content, name)
    assert "\n" not in str(refusal.value)


def test_a_cut_torch_file_is_refused():
    content = saved({"a": torch.zeros(1000)})
    for length in range(0, len(content), 211):
        with pytest.raises(CheckpointError):
            read_weights(content[:length], "m.pth")


@pytest.mark.parametrize(
    ("content", "found"),
    [([torch.zeros(1)], "list"), ({}, "dict"), ({"a": 1, "b": "c"}, "2 entries that are no tensors")],
)
def test_what_is_no_state_dict_is_refused(content, found):
    with pytest.raises(CheckpointError, match=found):
        read_weights(saved(content), "m.pth")


def changed(state, **changes):
    return {**state, **changes}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, r"1 missing \(fc.bias\)"),
        (lambda s: changed(s, extra=torch.zeros(1)), r"1 unknown \(extra\)"),
        (
            lambda s: {f"other.{k}": v for k, v in s.items()},
            r"missing \(conv1.weight, .*, \.\.\.\) and \d+ unknown",
        ),
        (lambda s: {k: v for k, v in s.items() if "layer4" not in k}, r"\d+ missing \(layer4.0.conv1.weight"),
        (lambda s: changed(s, **{"fc.bias": torch.zeros(9)}), r"fc.bias is \(9,\), not \(2,\)"),
        (lambda s: changed(s, **{"fc.bias": torch.zeros(2, dtype=torch.int8)}), "fc.bias is torch.int8"),
        (
            lambda s: changed(s, **{"fc.bias": torch.tensor([0, float("nan")])}),
            r"NaN .* 1 places \(fc.bias\)",
        ),
        (lambda s: changed(s, **{"fc.bias": torch.tensor([0, float("inf")])}), "infinite"),
        (lambda s: changed(s, **{"module.fc.bias": torch.zeros(2)}), "fc.bias twice"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change, said):
    source = build("resnet18", 2)
    with pytest.raises(CheckpointError, match=said):
        load_into(build("resnet18", 2), change(source.state_dict()), architecture="resnet18", name="m.pth")


def test_another_architecture_is_refused_with_what_is_missing():
    with pytest.raises(CheckpointError, match=r"does not hold the weights of resnet18: .*--arch"):
        load_into(
            build("resnet18", 2),
            build("mobilenet_v3_small", 2).state_dict(),
            architecture="resnet18",
            name="m",
        )
