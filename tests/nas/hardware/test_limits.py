"""What a search may propose."""

import pytest

from xopt.nas.hardware.limits import LatencyLimit, Predictor, allowed
from xopt.nas.macro import MacroSpace
from xopt.nas.space import Limits
from xopt.runtime.errors import UsageError

from .made import made_table

SPACE = MacroSpace(channels=1)


def limit(ms: float, **changes) -> LatencyLimit:
    return LatencyLimit(predictor=Predictor(space=SPACE, table=made_table()), max_latency_ms=ms, **changes)


def predicted(code: str) -> float:
    return Predictor(space=SPACE, table=made_table()).predict_latency_ms(code)


def test_all_codes_of_a_network_take_the_same():
    assert predicted("10201020") == predicted(SPACE.canonical("10201020"))


@pytest.mark.parametrize(("room", "passes"), [(1.001, True), (0.999, False)])
def test_a_network_is_allowed_up_to_the_limit_less_the_margin(room, passes):
    ms = predicted("12122122") * (1 + made_table().margin) * room
    assert limit(ms)("12122122") is passes


def test_a_margin_of_ones_own_takes_the_place_of_the_tables():
    ms = predicted("12122122") * 1.01
    assert limit(ms, margin=0.0)("12122122")
    assert not limit(ms, margin=0.5)("12122122")


def test_parameters_and_latency_both_have_to_fit():
    check = allowed(SPACE, Limits(parameters=SPACE.cost("11111111").parameters), limit(1e3))
    assert check("11111111")
    assert not check("22222222")
    assert not allowed(SPACE, None, limit(predicted("11111111")))("11111111")
    assert allowed(SPACE)("22222222")


def test_limits_that_no_network_meets_are_refused_before_the_search():
    with pytest.raises(UsageError, match=r"the smallest, 00000000, takes .* ms"):
        allowed(SPACE, None, limit(0.001))
    with pytest.raises(UsageError, match=r"takes .* parameters"):
        allowed(SPACE, Limits(parameters=10))


@pytest.mark.parametrize("ms", [0, -1, float("nan")])
def test_a_limit_is_above_zero(ms):
    with pytest.raises(UsageError, match="above 0"):
        limit(ms)


def test_a_margin_is_not_negative():
    with pytest.raises(UsageError, match="at least 0"):
        limit(1, margin=-0.1)
