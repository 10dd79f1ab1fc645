import pytest

from xopt.nas.search.candidates import Outcome
from xopt.nas.search.outcome_files import Results, digest_of

WHOLE = Outcome(value=0.8, curve=(0.5, 0.8), seconds=3.5)
STOPPED = Outcome(value=0.5, curve=(0.5,), seconds=1.0, stopped=True)


@pytest.fixture
def results(tmp_path):
    return Results(folder=tmp_path / "own", context="here", shared=tmp_path / "shared")


@pytest.mark.parametrize("outcome", [WHOLE, STOPPED])
def test_an_outcome_reads_back_as_it_was_written(results, outcome):
    results.keep("0120", outcome)
    assert results.find("0120") == outcome
    assert list(results) == [("0120", outcome)]
    assert results.find("0121") is None


def test_only_whole_trainings_are_shared_with_other_searches(results, tmp_path):
    results.keep("00", WHOLE)
    results.keep("01", STOPPED)
    other = Results(folder=tmp_path / "other", context="here", shared=tmp_path / "shared")
    assert other.find("00") == other.find_shared("00") == WHOLE
    assert other.find("01") is None


@pytest.mark.parametrize("context", ["there", ""])
def test_an_outcome_of_another_recipe_or_data_is_not_found(results, tmp_path, context):
    results.keep("00", WHOLE)
    other = Results(folder=tmp_path / "own", context=context, shared=tmp_path / "shared")
    assert other.find("00") is None
    # Nor is it where a file has the right name and the wrong content.
    wrong = other.folder / other._name("00")
    wrong.write_text((results.folder / results._name("00")).read_text())
    assert other.find("00") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', "null", "\0\0"])
def test_a_damaged_outcome_is_as_good_as_none(results, content):
    results.keep("00", STOPPED)
    (results.folder / results._name("00")).write_text(content)
    assert results.find("00") is None
    assert list(results) == []


def test_an_outcome_that_is_no_number_is_trained_again(results):
    results.keep("00", Outcome(value=float("nan")))
    assert results.find("00") is None


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1}) != digest_of({"a": 1, "b": [3]})
