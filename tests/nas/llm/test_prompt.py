"""What the model is told."""

import re
from dataclasses import replace

import pytest

from xopt.nas import Limits, MacroSpace, Trial, XraySpace
from xopt.nas.llm import prompt
from xopt.nas.llm.parser import parse
from xopt.nas.llm.prompt import layer_table

from .small_space import LIMITS, SmallSpace, problem, trials, value


def _text(history, *, most: int = 60, limits: Limits = LIMITS) -> str:
    system, user = prompt.messages(problem(), history, candidates=4, limits=limits, most=most)
    assert (system["role"], user["role"]) == ("system", "user")
    return user["content"]


def test_it_holds_operations_limits_results_objective_and_the_question():
    text = _text(trials("12120", "11111"))
    assert "Layer 5: operations 0 to 2" in text
    assert "at most 330 parameters" in text
    assert "12120, 0.8, 260, 1820\n11111, 0.77, 250, 1750" in text
    assert "Name 4 different networks" in text
    assert "mean AUC (at most 1)" in text


def test_the_macro_spaces_table_is_that_of_its_networks():
    table = layer_table(MacroSpace(classes=5, channels=3))
    assert (
        "stem: 3x3 convolution, 3, 32, 1\nlayer 1: 32, 64, 2\nlayer 2: 64, 64, 1\nlayer 3: 64, 128, 2"
        in table
    )
    assert "layer 8: 256, 256, 1\nhead: 1x1 convolution, 256, 1280, 1; mean over the map; 5 outputs" in table
    assert "5x5 depthwise convolution, expansion 6" in table


def test_the_xray_spaces_digits_are_told_one_by_one():
    table = layer_table(XraySpace(classes=14, channels=1))
    assert "digit 1: side of the input, 160 or 192 or 224 pixels" in table
    assert "digits 15, 16, 17: stage 5" in table


def test_running_and_failed_networks_are_named():
    text = _text([*trials("12120"), Trial(code="10000"), Trial(code="20000", failed=True)])
    assert "In training now: 10000" in text
    assert "Failed, do not name them again: 20000" in text


def test_without_results_it_says_so():
    assert "No network was trained yet." in _text([])


@pytest.mark.parametrize("most", [1, 2, 3, 10, 60])
def test_a_long_history_is_cut_to_the_best_and_the_most_recent(most):
    codes = sorted(
        {SmallSpace().canonical(f"{a}{b}{c}{d}0") for a in "012" for b in "012" for c in "012" for d in "012"}
    )
    history = trials(*codes)
    shown = re.findall(r"^(\d{5}), ", _text(history, most=most), re.MULTILINE)
    best = max(codes, key=value)
    assert len(shown) == min(most, len(codes))
    assert shown[0] == best
    assert [value(code) for code in shown] == sorted(map(value, shown), reverse=True)
    if most in (3, 10):
        assert codes[-1] in shown
        assert f"{len(codes) - most} older and worse ones are left out" in _text(history, most=most)


def test_a_prompt_stays_bounded_over_a_thousand_results():
    history = [Trial(code="12120", value=0.5 + i / 10_000) for i in range(1_000)]
    history += [Trial(code="11111") for _ in range(500)] + [
        Trial(code="10000", failed=True) for _ in range(500)
    ]
    assert len(_text(history)) < 6_000


def test_the_schema_lets_only_networks_pass():
    form = prompt.schema(SmallSpace())
    pattern = form["properties"]["candidates"]["items"]["pattern"]
    assert re.fullmatch(pattern, "12120")
    assert not re.fullmatch(pattern, "12130")
    assert not re.fullmatch(pattern, "121200")


def test_the_repair_turn_says_what_was_wrong():
    asked = prompt.messages(problem(), [], candidates=4, limits=LIMITS, most=60)
    reply = "22222 and [1, 2, 1]" + "!" * 10_000
    turn = prompt.repair(asked, reply, parse(reply, problem(), set()), candidates=4)
    assert turn[:2] == asked
    assert turn[2]["role"] == "assistant"
    assert len(turn[2]["content"]) < 2_100
    assert "22222 is not allowed" in turn[3]["content"]


def test_the_repair_turn_of_a_refusal_asks_for_digits():
    turn = prompt.repair([], "I cannot.", parse("I cannot.", problem(), set()), candidates=4)
    assert "there is no network in it, written as a string of digits" in turn[-1]["content"]


def test_latency_is_told_where_it_is_predicted():
    timed = replace(problem(), latency_ms=lambda code: 0.25 * int(code[0]), max_latency_ms=1.5)
    _system, user = prompt.messages(timed, trials("12120"), candidates=4, limits=LIMITS, most=60)
    assert "at most 330 parameters and at most 1.5 milliseconds of latency" in user["content"]
    assert "multiply-accumulates, milliseconds of latency\n12120, 0.8, 260, 1820, 0.25" in user["content"]
    assert "milliseconds" not in _text(trials("12120"))


def test_a_network_that_is_too_slow_is_refused_with_its_latency():
    slow = replace(problem(), allowed=lambda code: False, latency_ms=lambda code: 2.0)
    (complaint,) = parse("[1, 2, 1, 2, 0]", slow, ()).complaints
    assert complaint.endswith("260 parameters, 1,820 multiply-accumulates, 2 milliseconds")
