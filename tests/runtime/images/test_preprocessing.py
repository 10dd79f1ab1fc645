import pytest

from xopt.runtime import Preprocessing
from xopt.runtime.schema import SchemaError, from_facts, to_facts


def test_it_survives_json():
    settings = Preprocessing(size=64, crop=56, crops="ten", channels=1, mean=(0.5,), std=(0.25,))
    assert from_facts(Preprocessing, to_facts(settings)) == settings


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"mean": (0.5,)}, "mean must hold 3"),
        ({"std": (0.1, 0.0, 0.1)}, "std must be positive"),
        ({"crop": 300}, r"crop must be in 1\.\.256"),
        ({"crops": "all"}, "crops must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing(**changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"sizes": 1}, r"unknown key .sizes. .did you mean size"),
        ({"size": "256"}, "size must be a whole number, got .256."),
    ],
)
def test_json_that_does_not_fit_is_refused(change, match):
    with pytest.raises(SchemaError, match=match):
        from_facts(Preprocessing, {**to_facts(Preprocessing()), **change})
