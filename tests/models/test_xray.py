"""X-ray networks by name: their grammar, their parts, their size."""

import random

import pytest

from xopt.models import xray
from xopt.models.registry import build, check_architecture
from xopt.runtime.errors import UsageError

from .test_macro import measured_macs, weights

SMALLEST, LARGEST = "0" * xray.DIGITS, "2" * xray.DIGITS


def codes(count):
    draw = random.Random(9)
    return ["".join(draw.choice("012") for _ in range(xray.DIGITS)) for _ in range(count)]


@pytest.mark.parametrize("code", codes(4))
def test_counts_in_closed_form_are_those_of_the_torch_network(code):
    pytest.importorskip("torch")
    spec = xray.spec(code, classes=14, channels=1)
    network = build(f"xray-{code}", 14, 1)
    assert spec.parameters == weights(network)
    assert spec.macs(97) == measured_macs(network, 97, channels=1)


def test_the_largest_network_is_counted_like_its_torch_module():
    pytest.importorskip("torch")
    assert xray.spec(LARGEST, classes=14).parameters == weights(build(f"xray-{LARGEST}", 14))


def test_a_code_says_resolution_width_and_stages():
    code = "21" + "121" + "012" + "210" + "111" + "022"
    assert xray.resolution(code) == 224
    stages = xray.stages(code)
    assert [stage.depth for stage in stages] == [2, 1, 3, 2, 1]
    assert [stage.kernel for stage in stages] == [7, 5, 5, 5, 7]
    assert [stage.expansion for stage in stages] == [4, 6, 2, 4, 6]
    assert [stage.width for stage in stages] == [16, 32, 64, 80, 144]


def test_the_map_of_a_224_pixel_image_has_7_cells_a_side():
    torch = pytest.importorskip("torch")
    network = build(f"xray-{SMALLEST}", 2).eval()
    with torch.inference_mode():
        assert network.features(torch.zeros(1, 3, 224, 224)).shape == (1, xray.HEAD, 7, 7)
    assert xray.spec(SMALLEST, classes=2).stride == 32


def test_a_name_comes_back_from_its_code():
    assert xray.parse(f"xray-{LARGEST}") == LARGEST
    check_architecture(f"xray-{LARGEST}")


@pytest.mark.parametrize(
    "name",
    [
        "xray-",
        "xray-222",
        f"xray-{LARGEST}2",
        f"xray-3{LARGEST[1:]}",
        f"xray-{LARGEST}\n",
        "xray-" + "1" * 10**6,
    ],
)
def test_a_name_that_stands_for_no_network_is_refused(name):
    with pytest.raises(UsageError, match="17 digits of 0, 1 or 2"):
        check_architecture(name)


def test_an_order_of_size_is_kept_by_every_digit():
    middle = "1" * xray.DIGITS
    for place in range(1, xray.DIGITS):
        sizes = [
            xray.spec(middle[:place] + digit + middle[place + 1 :], classes=2).parameters for digit in "012"
        ]
        assert sizes == sorted(set(sizes))
