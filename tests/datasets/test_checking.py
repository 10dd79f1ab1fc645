import html.parser
import json
import re

import numpy as np
import pytest
from PIL import Image

from xopt.datasets import CheckSettings, check, open_source, phantoms
from xopt.datasets.check_page import render
from xopt.datasets.image_facts import measure_padding


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Forty phantoms, into which one of each kind of trouble was put."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms.write(folder, count=40, size=96)
    dataset = open_source(folder)
    train, val, test = (dataset.split(name) for name in ("train", "val", "test"))

    def change(index, function):
        path = train.path(index)
        Image.fromarray(function(np.asarray(Image.open(path))).astype(np.uint8)).save(path)

    change(0, lambda x: 230 + x / 12)
    change(1, lambda x: x / 40)
    change(2, lambda x: 128 + x / 60)
    change(3, lambda x: np.pad(x, 20))
    train.path(4).write_bytes(train.path(4).read_bytes()[:300])
    train.path(5).unlink()
    val.path(0).write_bytes(train.path(6).read_bytes())
    Image.open(train.path(7)).resize((80, 80)).save(test.path(0))
    (folder / "val_list.txt").write_text(
        (folder / "val_list.txt").read_text() + f"{train.images[8]} 0 0 0 0 0 0\n"
    )
    return check(open_source(folder), workers=2)


def found(checked, kind):
    return [(o.split, o.image) for o in checked.oddities if o.kind == kind]


def test_each_kind_of_trouble_is_found_once_and_nothing_else_is(checked):
    train = checked.dataset.split("train").images
    assert found(checked, "too bright") == [("train", train[0])]
    assert ("train", train[1]) in found(checked, "too dark")
    assert {("train", train[1]), ("train", train[2])} <= set(found(checked, "too flat"))
    assert found(checked, "padded") == [("train", train[3])]
    assert sorted(found(checked, "unreadable")) == sorted([("train", train[4]), ("train", train[5])])
    assert {o.image for o in checked.oddities} == set(train[:6])


def test_an_image_in_two_splits_is_found_by_its_bytes_and_by_its_looks(checked):
    train, val, test = (checked.dataset.split(name).images for name in ("train", "val", "test"))
    assert {(p.first[1], p.second[1]) for p in checked.same} == {(train[6], val[0]), (train[8], train[8])}
    assert [(p.first, p.second) for p in checked.near] == [(("train", train[7]), ("test", test[0]))]
    assert 0.99 <= checked.near[0].likeness < 1
    assert any(pair.labels_differ for pair in checked.same)


def test_a_patient_in_two_splits_is_a_leak(checked):
    patient = checked.dataset.split("train").patients[8]
    assert any(patient in overlap.patients for overlap in checked.overlaps)
    assert "leak: " in checked.to_text()


def test_text_and_json_say_the_same(checked):
    facts = json.loads(json.dumps(checked.to_json(), allow_nan=False))
    assert facts["counts"]["unreadable"] == {"train": 2, "val": 0, "test": 0}
    assert facts["counts"]["looks the same, another split"] == {"train": 1, "val": 0, "test": 1}
    text = checked.to_text()
    assert f"padded: train: {checked.dataset.split('train').images[3]}" in text
    assert re.search(r"unreadable +2 +0 +0", text)


def test_the_page_stands_alone_and_shows_what_was_found(checked):
    page = render(checked)
    assert not re.search(r"(src|href)=.(?!data:image/jpeg)", page)
    assert "http" not in page
    assert "<script" not in page
    for word in ("Too bright: 1", "Padded: 1", "Unreadable: 2", "Looks the same: 1 pair", "Samples", "Leak:"):
        assert word in page
    assert page == render(checked)

    class Tags(html.parser.HTMLParser):
        open_tags = 0

        def handle_starttag(self, tag, attrs):
            self.open_tags += tag not in ("meta", "img", "line", "rect", "polyline")

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            self.open_tags -= 1

    tags = Tags()
    tags.feed(page)
    assert tags.open_tags == 0


@pytest.mark.parametrize(
    ("pad", "share"), [((0, 0, 0, 0), 0), ((10, 0, 0, 0), 10 / 110), ((50, 50, 50, 50), 0.75)]
)
def test_padding_is_the_share_of_borders_of_one_tone(pad, share):
    top, bottom, left, right = pad
    image = np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)
    padded = np.pad(image, ((top, bottom), (left, right)), constant_values=255)
    assert measure_padding(padded) == pytest.approx(share)
    assert measure_padding(np.full((9, 9), 7, np.uint8)) == 1


def test_images_all_alike_are_no_outliers(tmp_path):
    images = np.full((30, 16, 16), 100, dtype=np.uint8)
    images += np.random.default_rng(0).integers(0, 3, images.shape, dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=np.arange(30) % 2)
    checked = check(open_source(tmp_path / "x.npz"), workers=1)
    assert not [o for o in checked.oddities if o.kind != "padded"]


@pytest.mark.parametrize("settings", [{"outlier": 0}, {"padding": 0}, {"near": 1.1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        CheckSettings(**settings)


@pytest.mark.shared
def test_real_images_released_twice_are_found_and_no_others(shared):
    dataset = open_source(shared / "data/nih-mini")
    few = {name: dataset.split(name) for name in ("val", "originals")}
    test = dataset.split("test")
    stems = {name.rsplit(".")[0] for name in few["originals"].images[:10]}
    few["test"] = test.select([i for i, name in enumerate(test.images) if name.rsplit(".")[0] in stems])
    few["originals"] = few["originals"].select(range(10))
    few["val"] = few["val"].select(range(40))
    checked = check(
        type(dataset)(name="some", root=dataset.root, classes=dataset.classes, splits=few), workers=1
    )
    pairs = {(p.first[1].rsplit(".")[0], p.second[1].rsplit(".")[0]) for p in checked.near}
    assert pairs == {(stem, stem) for stem in stems}
