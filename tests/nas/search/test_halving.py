import pytest

from xopt.nas.search.halving import Curves, Halving, full_value


@pytest.mark.parametrize(
    ("epochs", "factor", "rungs"),
    [(50, 3, (1, 5, 16)), (27, 3, (1, 3, 9)), (4, 2, (1, 2)), (3, 3, (1,)), (2, 3, ()), (1, 2, ())],
)
def test_rungs_are_at_shares_of_the_epochs(epochs, factor, rungs):
    assert Halving(factor=factor).rungs(epochs) == rungs


@pytest.mark.parametrize(
    ("value", "others", "goes_on"),
    [
        (0.1, [], True),
        (0.1, [0.9, 0.8], True),
        (0.1, [0.9, 0.8, 0.7], False),
        (0.85, [0.9, 0.8, 0.7], False),
        (0.95, [0.9, 0.8, 0.7], True),
        (0.85, [0.9, 0.8, 0.7, 0.6, 0.5], True),
        (0.75, [0.9, 0.8, 0.7, 0.6, 0.5], False),
        # Equals are no better: both go on.
        (0.9, [0.9, 0.8, 0.7], True),
    ],
)
def test_one_in_three_passes_a_rung_once_three_have_reached_it(value, others, goes_on):
    assert Halving(factor=3).goes_on(value, others) is goes_on


def test_a_factor_below_two_ends_nothing_and_is_refused():
    with pytest.raises(ValueError, match="factor must be at least 2, got 1"):
        Halving(factor=1)


def test_what_others_reached_is_their_best_up_to_the_same_epoch(tmp_path):
    curves = Curves(folder=tmp_path / "curves")
    assert curves.read("00") == ()
    curves.write("00", [0.5, 0.4, 0.9])
    curves.write("01", [0.6])
    curves.write("02", [0.7, 0.8])
    (tmp_path / "curves" / "03.json").write_text("[0.9,")
    assert sorted(curves.others("02", 2)) == [0.5]
    assert sorted(curves.others("02", 1)) == [0.5, 0.6]
    assert curves.others("00", 3) == []
    assert curves.read("00") == (0.5, 0.4, 0.9)


@pytest.mark.parametrize(
    ("curve", "whole", "value"),
    [
        ((), [(0.5, 0.9)], None),
        ((0.4,), [], 0.4),
        ((0.4,), [(0.5, 0.6), (0.5, 0.8), (0.5, 0.55)], 0.5),
        # A training that ended no later says nothing of what comes after.
        ((0.4, 0.3), [(0.5, 0.9), (0.5, 0.6, 0.7)], 0.5),
    ],
)
def test_an_early_value_grows_by_what_whole_trainings_still_gained(curve, whole, value):
    assert full_value(curve, whole) == (None if value is None else pytest.approx(value))
