import numpy as np
import pytest
from PIL import Image

from xopt.datasets import SplitSettings, divide, find_overlaps, load_images, open_source
from xopt.datasets.lists import write_lists
from xopt.runtime import Preprocessing
from xopt.runtime.errors import DataError, OutputError, UsageError


def source(folder, *, patients=200, seed=0):
    """A CSV of patients with one to six images, one label in five, one in fifty."""
    random = np.random.default_rng(seed)
    lines = ["image,patient,common,rare"]
    for patient in range(patients):
        common, rare = int(random.random() < 0.2), int(random.random() < 0.02)
        lines += [f"{patient}_{i}.png,p{patient},{common},{rare}" for i in range(random.integers(1, 7))]
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_stands_in_two_splits_and_labels_are_shared_out_evenly(tmp_path, seed):
    dataset = open_source(source(tmp_path / "s", seed=seed))
    whole = dataset.split("all")
    divided = divide(dataset, SplitSettings(val=0.1, test=0.2, seed=seed))
    assert find_overlaps(divided) == ()
    assert sorted(i for s in divided.splits.values() for i in s.images) == sorted(whole.images)
    for name, share in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        split = divided.split(name)
        assert abs(len(split) - share * len(whole)) <= 6
        expected = share * whole.labels_NC.sum(axis=0)
        assert (abs(split.labels_NC.sum(axis=0) - expected) <= 6).all()


def test_the_same_seed_divides_alike_and_another_does_not(tmp_path):
    dataset = open_source(source(tmp_path / "s"))
    first, again, other = (
        divide(dataset, SplitSettings(seed=seed)).split("val").images for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_pattern_tells_the_patient_by_the_images_name(tmp_path):
    names = [f"person{p}_virus_{i}.png" for p in range(30) for i in range(3)]
    (tmp_path / "labels.csv").write_text("image,A\n" + "".join(f"{n},{k % 2}\n" for k, n in enumerate(names)))
    divided = divide(open_source(tmp_path), SplitSettings(patients=r"(person\d+)_"))
    assert find_overlaps(divided) == ()
    assert divided.split("train").patients_known
    assert set(divided.split("train").patients) < {f"person{p}" for p in range(30)}
    with pytest.raises(DataError, match=r"finds no patient in the image name person0_virus_0\.png"):
        divide(open_source(tmp_path), SplitSettings(patients=r"(case\d+)"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val": 0.5, "test": 0.5}, "must leave some images to train"),
        ({"val": 0, "test": 0}, "must leave some images to train"),
        ({"val": -0.1}, "--val must be a share"),
        ({"test": 1.0}, "--test must be a share"),
        ({"patients": "("}, "no regular expression"),
        ({"patients": "person"}, r"needs a group in \(\)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        SplitSettings(**settings)


def test_too_few_patients_are_one_error(tmp_path):
    (tmp_path / "labels.csv").write_text("image,patient,A\na.png,p,1\nb.png,q,1\n")
    with pytest.raises(DataError, match="has 2 patients, too few for train, val, test"):
        divide(open_source(tmp_path), SplitSettings())


def written(dataset, out, **settings):
    divided = divide(dataset, SplitSettings(**settings))
    return divided, write_lists(divided, dataset, out)


def same(left, right):
    for name, split in right.splits.items():
        assert left.split(name).images == split.images
        assert left.split(name).patients == split.patients
        np.testing.assert_array_equal(left.split(name).marked_labels, split.marked_labels)
    assert (left.classes, left.task) == (right.classes, right.task)
    return True


def test_lists_keep_patients_left_out_labels_and_images(tmp_path):
    lines = [f"deep/{n}.png,p{n // 2},{n % 2},{-(n % 3 == 0)}" for n in range(40)]
    folder = tmp_path / "s"
    (folder / "images/deep").mkdir(parents=True)
    (folder / "labels.csv").write_text("image,patient,A,B\n" + "\n".join(lines))
    for n in range(40):
        Image.new("L", (4, 4), n).save(folder / f"images/deep/{n}.png")
    divided, found = written(open_source(folder), tmp_path / "out")
    assert found
    again = open_source(tmp_path / "out")
    assert same(again, divided)
    assert (tmp_path / "out/images").is_symlink()
    split = again.split("test")
    images = load_images(split, Preprocessing.square(4, 4))
    assert [f"deep/{image[0, 0]}.png" for image in images] == list(split.images)
    with pytest.raises(OutputError, match="exists already"):
        written(open_source(folder), tmp_path / "out")


def test_images_of_an_array_are_written_and_classes_still_exclude_each_other(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=np.arange(30) % 3)
    dataset = open_source(tmp_path / "x.npz")
    divided, found = written(dataset, tmp_path / "out")
    assert found
    again = open_source(tmp_path / "out")
    assert same(again, divided)
    assert again.task == "multi-class"
    split = again.split("val")
    rows = [int(name.removeprefix("train")) for name in split.images]
    np.testing.assert_array_equal(load_images(split, Preprocessing.square(8, 8)), images[rows])


def test_images_from_several_folders_are_linked_one_by_one(tmp_path):
    folder = tmp_path / "s"
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        names = [f"{part}{n}.png" for n in range(10)]
        (folder / f"{part}_list.txt").write_text("".join(f"{name} {k % 2}\n" for k, name in enumerate(names)))
        for k, name in enumerate(names):
            Image.new("L", (4, 4), 10 * k).save(folder / part / name)
    (folder / "classes.txt").write_text("A\n")
    divided, found = written(open_source(folder), tmp_path / "out")
    assert found
    again = open_source(tmp_path / "out")
    assert same(again, divided)
    assert len(load_images(again.split("train"), Preprocessing.square(4, 4))) == len(again.split("train"))


def test_labels_alone_can_be_divided(tmp_path):
    _divided, found = written(open_source(source(tmp_path / "s")), tmp_path / "out")
    assert not found
    assert len(open_source(tmp_path / "out").split("train")) > 0


def test_a_name_with_a_space_is_one_error(tmp_path):
    (tmp_path / "labels.csv").write_text("image,A\n" + "".join(f"a {n}.png,{n % 2}\n" for n in range(20)))
    with pytest.raises(DataError, match=r"cannot hold the image name 'a \d+\.png', as it has a space"):
        written(open_source(tmp_path), tmp_path / "out")
