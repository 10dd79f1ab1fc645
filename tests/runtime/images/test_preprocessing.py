import pytest

from xopt.runtime import Preprocessing
from xopt.runtime.images.preprocessing import DicomWindow, Resize
from xopt.runtime.schema import SchemaError, from_facts, to_facts


def test_it_survives_json():
    settings = Preprocessing.square(64, 56, crops="ten", planes=1, mean=(0.5,), std=(0.25,))
    assert from_facts(Preprocessing, to_facts(settings)) == settings


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"planes": 2}, "planes must be one of 1, 3, got 2"),
        ({"mean": (0.5,)}, "mean must hold 3"),
        ({"std": (0.1, 0.0, 0.1)}, "std must be positive"),
        (
            {"mean": (123.7, 116.3, 103.5)},
            r"mean must be within 0\.\.1 .* divide figures of pixels in 0\.\.255",
        ),
        ({"mean": (-0.1, 0.5, 0.5)}, "mean must be within"),
        ({"std": (58.4, 57.1, 57.4)}, r"std must be within 0\.\.1 .* divide figures of pixels in 0\.\.255"),
        ({"mean": (float("nan"),) * 3}, "mean must be within"),
        ({"crop_size": (300, 300)}, r"crop must be in 1\.\.256"),
        ({"crop_size": (200, 224)}, "crop_size must be square for this xopt, got 200 x 224"),
        ({"resize": Resize(size=(320, 390))}, "resize.size must be square for this xopt, got 320 x 390"),
        ({"resize": Resize(mode="fit")}, "resize.mode must be one of stretch, shortest-edge"),
        (
            {"resize": Resize(mode="shortest-edge")},
            "resize.mode 'shortest-edge' is not computed",
        ),
        ({"resize": Resize(antialias=False)}, "resize.antialias False is not computed by this xopt"),
        ({"colour": "rgb"}, "colour 'rgb' is not computed by this xopt, which knows 'grey' alone"),
        ({"value_range": (0.0, 255.0)}, "value_range .* is not computed by this xopt"),
        ({"dicom_window": DicomWindow(rule="guess")}, "dicom_window.rule must be one of file, image"),
        ({"crops": "all"}, "crops must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing(**changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"resizes": 1}, r"unknown key .resizes. .did you mean resize"),
        ({"resize": {"sizes": [1, 1]}}, r"unknown key .sizes. .did you mean size"),
        ({"resize": {"size": ["256", 1]}}, r"resize\.size\[0\] must be a whole number, got .256."),
    ],
)
def test_json_that_does_not_fit_is_refused(change, match):
    with pytest.raises(SchemaError, match=match):
        from_facts(Preprocessing, {**to_facts(Preprocessing()), **change})
