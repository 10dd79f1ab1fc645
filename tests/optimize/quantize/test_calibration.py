"""Which images calibrate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xopt.datasets import Dataset, Split, open_source
from xopt.optimize.quantize.calibration import SAMPLINGS, draw_calibration, stratified_sample
from xopt.runtime.errors import DataError, UsageError


def split(name: str, patients: str, labels=None, images=None) -> Split:
    """A split with one image a letter; equal letters are images of one patient."""
    rows = labels or [[i % 2] for i in range(len(patients))]
    return Split(
        name=name,
        images=images or tuple(f"{name}_{i}.png" for i in range(len(patients))),
        labels_NC=np.array(rows, dtype=np.uint8).reshape(len(patients), -1),
        patients=tuple(patients),
        folders=(),
    )


def dataset(*splits: Split) -> Dataset:
    classes = tuple(f"c{i}" for i in range(splits[0].labels_NC.shape[1]))
    return Dataset(name="data", root=Path("data"), classes=classes, splits={s.name: s for s in splits})


def random_labels(count: int, prevalences, seed: int = 0):
    generator = np.random.default_rng(seed)
    return (generator.random((count, len(prevalences))) < np.array(prevalences)).astype(np.uint8)


PREVALENCES = (0.5, 0.2, 0.1, 0.03, 0.005)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [50, 300, 999])
def test_labels_are_as_frequent_as_in_all(count, seed):
    labels = random_labels(2000, PREVALENCES, seed)
    chosen = stratified_sample(labels, count, seed=seed)
    share = labels.sum(axis=0) * count / len(labels)
    found = labels[chosen].sum(axis=0)
    # A random draw is off by its standard deviation, some 8 images of the first class at 300.
    assert (np.abs(found - np.maximum(share, 1)) <= 2).all(), (found, share)


def test_a_label_too_rare_for_its_share_is_still_drawn():
    labels = np.zeros((1000, 2), dtype=np.uint8)
    labels[:300, 0] = 1
    labels[777, 1] = 1
    assert 777 in stratified_sample(labels, 20, seed=0)


@pytest.mark.parametrize("count", [0, 1, 7, 40])
@pytest.mark.parametrize("prevalences", [(0.0, 0.0), (1.0,), (0.5, 0.5), (0.01, 0.9)])
def test_exactly_as_many_different_images_as_asked_are_drawn(count, prevalences):
    chosen = stratified_sample(random_labels(40, prevalences), count, seed=1)
    assert len(chosen) == len(set(chosen)) == count
    assert list(chosen) == sorted(chosen)


def test_the_seed_decides_and_nothing_else():
    labels = random_labels(500, PREVALENCES)
    first, again, other = (list(stratified_sample(labels, 60, seed=s)) for s in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("count", [-1, 5])
def test_more_than_there_are_cannot_be_sampled(count):
    with pytest.raises(ValueError, match=r"count must be in 0\.\.4"):
        stratified_sample(np.zeros((4, 1), dtype=np.uint8), count, seed=0)


@pytest.mark.parametrize(
    ("train", "others", "drawn", "excluded"),
    [
        ("abcd", {}, "abcd", 0),
        ("abcd", {"val": "xy"}, "abcd", 0),
        ("abcd", {"val": "ax"}, "bcd", 1),
        ("aabc", {"val": "a"}, "bc", 2),
        ("abcd", {"val": "a", "test": "d"}, "bc", 2),
        ("abcd", {"test": "bcd"}, "a", 3),
        ("abcd", {"holdout": "b"}, "acd", 1),
    ],
)
def test_patients_of_other_splits_do_not_calibrate(train, others, drawn, excluded):
    source = dataset(split("train", train), *(split(name, patients) for name, patients in others.items()))
    calibration = draw_calibration(source, 100)
    assert "".join(calibration.images.patients) == drawn
    assert calibration.excluded == excluded
    assert calibration.asked == 100


def test_an_image_listed_twice_is_drawn_once():
    train = split("train", "aab", images=("1.png", "1.png", "2.png"))
    assert draw_calibration(dataset(train), 10).images.images == ("1.png", "2.png")


def test_the_digest_tells_which_images_were_drawn():
    source = dataset(split("train", "abcdefgh"))
    assert draw_calibration(source, 4, seed=1).digest == draw_calibration(source, 4, seed=1).digest
    assert draw_calibration(source, 4, seed=1).digest != draw_calibration(source, 5, seed=1).digest


def on_a_line(images: Split):
    """Features of images by the numbers in their names, the last one far out."""
    places = np.array([int(name.split("_")[1].removesuffix(".png")) for name in images.images], dtype=float)
    return np.where(places == places.max(), 1000, places).reshape(-1, 1)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_draws_from_patients_apart(sampling):
    train = split("train", "abcdefgha")
    source = dataset(train, split("val", "ah"))
    for seed in range(5):
        drawn = draw_calibration(source, 4, seed=seed, sampling=sampling, features=on_a_line)
        assert len(set(drawn.images.images)) == 4
        assert set(drawn.images.patients) <= set("bcdefg")
        assert (drawn.sampling, drawn.candidates, drawn.asked, drawn.excluded) == (sampling, 6, 4, 3)
        everything = draw_calibration(source, 50, seed=seed, sampling=sampling, features=on_a_line)
        assert "".join(everything.images.patients) == "bcdefg"


@pytest.mark.parametrize(("sampling", "misses"), [("stratified", False), ("random", True)])
def test_only_a_stratified_draw_is_sure_to_hold_a_rare_label(sampling, misses):
    train = split("train", "abcdefghij", labels=[[int(i == 7)] for i in range(10)])
    draws = [draw_calibration(dataset(train), 4, seed=seed, sampling=sampling) for seed in range(12)]
    assert any(not drawn.images.labels_NC.any() for drawn in draws) is misses


def test_farthest_points_hold_the_image_far_out_whatever_the_seed():
    source = dataset(split("train", "abcdefghij"))
    for seed in range(8):
        drawn = draw_calibration(source, 2, seed=seed, sampling="farthest", features=on_a_line)
        assert "train_9.png" in drawn.images.images


@pytest.mark.parametrize(("count", "pool", "seen"), [(3, 5, 5), (3, 50, 10), (8, 5, 8)])
def test_no_more_than_the_pool_runs_through_the_network(count, pool, seen):
    asked = []

    def watched(images):
        asked.append(len(images))
        return on_a_line(images)

    drawn = draw_calibration(
        dataset(split("train", "abcdefghij")), count, sampling="farthest", features=watched, pool=pool
    )
    assert asked == [seen] == [drawn.candidates]
    assert len(drawn.images) == count


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ("best", "sampling must be one of stratified, random, farthest, got 'best'"),
        ("farthest", "give draw_calibration features"),
    ],
)
def test_a_sampling_that_cannot_be_is_refused(sampling, said):
    with pytest.raises(UsageError, match=said):
        draw_calibration(dataset(split("train", "ab")), 1, sampling=sampling)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (dataset(split("val", "ab")), "data has no split 'train' to calibrate on, it has val"),
        (
            dataset(split("train", "ab"), split("test", "ba")),
            "all of patients who stand in another split too",
        ),
    ],
)
def test_data_that_cannot_calibrate_is_refused(source, said):
    with pytest.raises(DataError, match=said):
        draw_calibration(source, 10)


@pytest.mark.parametrize("count", [0, -3])
def test_no_images_at_all_cannot_be_asked_for(count):
    with pytest.raises(UsageError, match="at least 1 image"):
        draw_calibration(dataset(split("train", "ab")), count)


@pytest.mark.shared
def test_the_real_list_is_drawn_with_every_finding_and_no_patient_of_another_split(shared):
    source = open_source(shared / "data/nih-mini")
    calibration = draw_calibration(source, 300)
    train = source.split("train")
    share = train.labels_NC.sum(axis=0) * 300 / len(train)
    assert len(calibration.images) == 300
    assert (np.abs(calibration.images.labels_NC.sum(axis=0) - share) <= 1).all()
    elsewhere = {p for name, s in source.splits.items() if name != "train" for p in s.patients}
    assert not elsewhere & set(calibration.images.patients)


def test_a_split_of_unknown_patients_is_disjoint_by_image():
    same = ("1.png", "2.png")
    source = dataset(
        replace(split("train", "xy"), images=same, patients=same),
        replace(split("val", "x"), images=("2.png",), patients=("2.png",)),
    )
    assert draw_calibration(source, 5).images.images == ("1.png",)
