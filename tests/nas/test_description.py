"""A network on paper."""

import json

import pytest

from xopt.nas import MacroSpace, describe, make_space
from xopt.runtime.errors import UsageError


def test_the_command_gives_what_is_known_before_a_network_is_built(xopt):
    done = xopt("nas", "describe", "12122122", "--classes", 5, "--json")
    assert done.code == 0
    facts = json.loads(done.out)
    assert facts["parameters"] == 2_702_405
    assert facts["memory_mb"] == pytest.approx(10.80962)
    assert facts["macs"] == MacroSpace().cost("12122122").macs
    assert (facts["canonical"], facts["architecture"]) == ("12122122", "macro-12122122")


def test_another_code_of_a_network_is_named_as_such(xopt):
    assert "12021002 (the same network as 12021020)" in xopt("nas", "describe", "12021002").out


@pytest.mark.parametrize("code", ["12021002", "macro-121-depths1.2-widths64.64", "xray-" + "1" * 17])
def test_blocks_and_head_add_up_to_the_whole(code):
    described = describe(code, classes=3)
    facts = described.to_json()
    head = (facts["blocks"][-1]["channels"] + 1) * 3
    assert sum(block["parameters"] for block in facts["blocks"]) + head == facts["parameters"]
    assert sum(block["macs"] for block in facts["blocks"]) + head - 3 == facts["macs"]


def test_an_xray_code_says_its_own_resolution():
    assert describe("2" * 17, space="xray").size == 224
    with pytest.raises(UsageError, match="leave the size out"):
        describe("2" * 17, space="xray", size=128)


def test_a_larger_input_costs_work_and_no_weights():
    small, large = describe("12122122", size=32), describe("12122122", size=64)
    assert small.cost.parameters == large.cost.parameters
    assert large.cost.macs > 3.9 * small.cost.macs


@pytest.mark.parametrize(
    ("code", "options", "reason"),
    [
        ("1212", (), "8 digits of 0, 1 or 2"),
        ("12122122", ("--space", "darts"), "unknown space 'darts'; known are macro, xray"),
        ("vgg-12122122", (), "unknown space 'vgg'"),
        ("12122122", ("--space", "xray"), "17 digits"),
        ("12122122", ("--channels", 2), "channels must be 1 or 3, got 2"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(xopt, code, options, reason):
    done = xopt("nas", "describe", code, *options)
    assert done.code == 2
    assert reason in done.err
    assert done.err.count("\n") == 1


def test_spaces_are_made_by_name():
    assert make_space("macro", classes=2, channels=1, size=28) == MacroSpace(classes=2, channels=1, size=28)
    assert make_space("xray", classes=14).name == "xray"
