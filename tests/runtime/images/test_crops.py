import numpy as np
import pytest

from xopt.runtime.images.crops import exact_plan, take, views, windows


@pytest.mark.parametrize(
    ("plan", "corners"),
    [
        ("center", [(2, 2)]),
        ("five", [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]),
        ("ten", [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (0, 4), (0, 0), (4, 4), (4, 0), (2, 2)]),
    ],
)
def test_the_windows_of_each_plan(plan, corners):
    found = windows(plan, size=12, crop=8)
    assert [(w.top, w.left) for w in found] == corners
    assert [w.mirrored for w in found] == [False] * min(5, len(found)) + [True] * (len(found) - 5)


@pytest.mark.parametrize("plan", ["center", "five", "ten"])
def test_an_exact_plan_views_its_windows(plan):
    assert views(plan, size=12, crop=8) == (windows(plan, size=12, crop=8), 8)
    assert exact_plan(plan) == plan


@pytest.mark.parametrize(
    ("plan", "exact", "mirrors"),
    [("five-shared", "five", [False]), ("ten-shared", "ten", [False, True])],
)
def test_a_shared_plan_views_the_whole_image_for_the_windows_of_the_plan_it_stands_for(plan, exact, mirrors):
    found, side = views(plan, size=12, crop=8)
    assert [(w.top, w.left, w.mirrored) for w in found] == [(0, 0, mirrored) for mirrored in mirrors]
    assert side == 12
    assert windows(plan, size=12, crop=8) == windows(exact, size=12, crop=8)
    assert exact_plan(plan) == exact


@pytest.mark.parametrize(("size", "crop", "middle"), [(256, 224, 16), (11, 8, 2), (13, 8, 2), (8, 8, 0)])
def test_an_odd_margin_rounds_as_torchvision_does(size, crop, middle):
    (window,) = windows("center", size=size, crop=crop)
    assert (window.top, window.left) == (middle, middle)


@pytest.mark.parametrize(
    ("plan", "size", "crop", "match"),
    [("nine", 8, 4, "crops must be"), ("ten", 8, 9, r"1\.\.8"), ("ten", 8, 0, r"1\.\.8")],
)
def test_a_plan_that_cannot_be_is_refused(plan, size, crop, match):
    with pytest.raises(ValueError, match=match):
        windows(plan, size=size, crop=crop)


@pytest.mark.parametrize(("size", "crop"), [(12, 8), (13, 8), (256, 224)])
def test_mirrored_windows_are_the_crops_of_the_mirrored_image(size, crop):
    image = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    mirror = image[:, ::-1]
    plan = windows("ten", size=size, crop=crop)
    for plain, mirrored in zip(plan[:4], plan[5:9], strict=True):
        np.testing.assert_array_equal(take(image, mirrored, crop), take(mirror, plain, crop))
