import pytest

from xopt.runtime import Preprocessing


def test_it_survives_json():
    settings = Preprocessing(size=64, crop=56, crops="ten", channels=1, mean=(0.5,), std=(0.25,))
    assert Preprocessing.from_json(settings.to_json()) == settings


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


@pytest.mark.parametrize("change", [{"sizes": 1}, {"size": "256"}])
def test_json_that_does_not_fit_is_refused(change):
    with pytest.raises(ValueError, match=r"keys|whole numbers"):
        Preprocessing.from_json({**Preprocessing().to_json(), **change})
