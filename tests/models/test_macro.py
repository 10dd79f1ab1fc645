"""Macro networks by name: their grammar, their parts, their size."""

import random

import pytest

from xopt.models.macro import MAX_PARAMETERS, Skeleton, parse
from xopt.models.registry import build, check_architecture
from xopt.runtime.errors import UsageError

COUNTS = {
    "10100100": 540_741,
    "10200200": 750_981,
    "12122121": 2_274_629,
    "21211212": 2_234_021,
    "12122122": 2_702_405,
    "21211211": 1_806_245,
    "12211221": 2_253_701,
    "21122112": 2_254_949,
    "12211222": 2_681_477,
    "21122111": 1_827_173,
}
SMALL = "macro-2100-stem8-depths2.2-widths12.24-head40"


def weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


def measured_macs(network, size, channels=3):
    """Counted on the running network: every weight of a layer, at every place of its map."""
    torch = pytest.importorskip("torch")
    counted = []

    def count(layer, _given, answer):
        counted.append(layer.weight.numel() * answer[0, 0].numel())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, channels, size, size))
    return sum(counted)


@pytest.mark.parametrize(("code", "count"), COUNTS.items())
def test_the_published_parameter_counts_are_met(code, count):
    pytest.importorskip("torch")
    assert Skeleton().spec(code, classes=5).parameters == count
    assert weights(build(f"macro-{code}", 5)) == count


def skeletons():
    draw = random.Random(4)
    codes = [("".join(draw.choice("012") for _ in range(8)), Skeleton()) for _ in range(12)]
    other = Skeleton(stem=8, depths=(1, 4), widths=(12, 12), head=40)
    deep = Skeleton(stem=4, depths=(2, 1, 1, 2, 1), widths=(6, 8, 10, 12, 14), head=16)
    codes += [("".join(draw.choice("012") for _ in range(5)), other) for _ in range(6)]
    return codes + [("".join(draw.choice("012") for _ in range(7)), deep) for _ in range(6)]


@pytest.mark.parametrize(("code", "skeleton"), skeletons())
@pytest.mark.parametrize(("classes", "channels", "size"), [(5, 3, 32), (2, 1, 45)])
def test_counts_in_closed_form_are_those_of_the_torch_network(code, skeleton, classes, channels, size):
    pytest.importorskip("torch")
    spec = skeleton.spec(code, classes=classes, channels=channels)
    network = build(skeleton.name(code), classes, channels)
    assert spec.parameters == weights(network)
    assert spec.macs(size) == measured_macs(network, size, channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["macro-00000000", "macro-12022100", SMALL])
def test_a_macro_network_answers_with_one_logit_a_class(name, channels):
    torch = pytest.importorskip("torch")
    with torch.inference_mode():
        logits = build(name, 5, channels).eval()(torch.zeros(2, channels, 32, 32))
    assert logits.shape == (2, 5)


def test_a_shortcut_adds_the_input_at_stride_one_alone():
    torch = pytest.importorskip("torch")
    network = build("macro-11000000", 2).eval()
    first, second = network.features[1], network.features[2]
    assert (first.shortcut, second.shortcut) == (False, True)
    maps = torch.randn(1, 64, 8, 8)
    with torch.inference_mode():
        alone = torch.nn.Sequential(*second)(maps)
        assert torch.allclose(second(maps), maps + alone)


def test_moving_an_identity_within_its_stage_keeps_the_network():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    first, second = build("macro-10102021", 5).eval(), build("macro-10120021", 5).eval()
    second.load_state_dict(first.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(first(images), second(images))


@pytest.mark.parametrize(
    ("code", "canonical"),
    [
        ("01000000", "01000000"),
        ("00010000", "00010000"),
        ("00001000", "00010000"),
        ("12102201", "12120210"),
        ("00002002", "00020020"),
        ("00000012", "00000012"),
        ("22222222", "22222222"),
    ],
)
def test_identities_are_moved_behind_within_a_stage(code, canonical):
    assert Skeleton().canonical(code) == canonical


NAMES = [
    "macro-12122122",
    "macro-00000000-stem16",
    "macro-12122122-widths32.64.128-head640",
    "macro-121-depths1.2-widths64.64",
    SMALL,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_from_what_it_stands_for(name):
    skeleton, code = parse(name)
    assert skeleton.name(code) == name
    check_architecture(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("macro-", "is called like"),
        ("macro-1212212", "8 digits of 0, 1 or 2"),
        ("macro-12122123", "8 digits of 0, 1 or 2"),
        ("macro-12122122-stem0", "is called like"),
        ("macro-12122122-stem032", "is called like"),
        ("macro-12122122-head640-stem16", "is called like"),
        ("macro-12122122-stem16-stem16", "is called like"),
        ("macro-12122122-stem32", "is written macro-12122122"),
        ("macro-12122122-head100000", "is called like"),
        ("macro-12122122 ", "is called like"),
        ("macro-12122122\n", "is called like"),
        ("macro-１2122122", "is called like"),
        ("macro-" + "1" * 1_000_000, "is called like"),
        ("macro-11-depths2.0", "is called like"),
        ("macro-11-depths1.1", "a depth and a width each"),
        ("macro-12122122-depths999.9.9", "at most 40 choice blocks"),
        ("macro-111111-depths1.1.1.1.1.1-widths8.8.8.8.8.8", "1 to 5 stages"),
        ("macro-22222222-widths9999.9999.9999", "parameters, at most 100,000,000"),
    ],
)
def test_a_name_that_stands_for_no_network_is_refused_at_once(name, reason):
    with pytest.raises(UsageError, match=reason):
        check_architecture(name)


def test_the_widest_network_that_a_name_can_ask_for_is_bounded():
    assert parse("macro-22222222")[0].spec("22222222", classes=5).parameters < MAX_PARAMETERS
