import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xopt.datasets import cache as caches
from xopt.datasets import load_images, open_source, phantoms, prepare
from xopt.runtime import Preprocessing
from xopt.runtime.errors import DataError, OutputError

SMALL = Preprocessing.square(64, 64)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms.write(folder, count=60, size=96)
    return folder


@pytest.fixture(scope="module")
def made(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("cache") / "cache"
    assert prepare(open_source(drawn), out, size=64, workers=2).decoded == 60
    return out


@pytest.fixture
def source(drawn, tmp_path):
    return Path(shutil.copytree(drawn, tmp_path / "phantoms"))


@pytest.fixture
def cache(made, source, tmp_path):
    """A cache of the images in `source`, up to date."""
    out = Path(shutil.copytree(made, tmp_path / "cache"))
    prepare(open_source(source), out, size=64, workers=1)
    return out


def same_images(cache, source):
    left, right = open_source(cache), open_source(source)
    assert left.classes == right.classes
    assert list(left.splits) == list(right.splits)
    for name in left.splits:
        ours, theirs = left.split(name), right.split(name)
        assert (ours.images, ours.patients, ours.digest) == (theirs.images, theirs.patients, theirs.digest)
        np.testing.assert_array_equal(load_images(ours, SMALL), load_images(theirs, SMALL))
    return True


def test_a_cache_is_the_dataset_it_was_made_from_to_the_last_pixel(made, drawn):
    assert same_images(made, drawn)
    assert open_source(made).name == open_source(drawn).name


def test_images_of_a_cache_are_mapped_and_the_file_cannot_be_written_through_them(made):
    images = load_images(open_source(made).split("train"), SMALL)
    before = np.array(images[0])
    assert isinstance(images, np.memmap)
    images[0] = 255 - before
    np.testing.assert_array_equal(load_images(open_source(made).split("train"), SMALL)[0], before)


def test_a_second_call_decodes_nothing_and_starts_no_worker(cache, source):
    # Nobody listens at that address: a call that wanted a worker would fail.
    again = prepare(open_source(source), cache, size=64, cluster="tcp://127.0.0.1:9")
    assert again.decoded == 0
    assert again.images == 60


def test_only_a_changed_image_is_decoded_again(cache, source):
    path = open_source(source).split("train").path(3)
    Image.new("L", (96, 96), 200).save(path)
    again = prepare(open_source(source), cache, size=64, workers=1)
    assert again.decoded == 1
    assert load_images(open_source(cache).split("train"), SMALL)[3].min() == 200
    assert same_images(cache, source)


def test_a_touched_image_with_the_same_bytes_is_not_decoded(cache, source):
    path = open_source(source).split("train").path(3)
    path.touch()
    again = prepare(open_source(source), cache, size=64, workers=1)
    assert again.decoded == 0
    assert prepare(open_source(source), cache, size=64, cluster="tcp://127.0.0.1:9").decoded == 0
    assert same_images(cache, source)


def test_images_may_come_and_go(cache, source):
    lines = (source / "train_list.txt").read_text().splitlines()
    (source / "train_list.txt").write_text("\n".join(lines[:20] + lines[25:]))
    assert prepare(open_source(source), cache, size=64, workers=1).decoded == 0
    assert same_images(cache, source)
    (source / "train_list.txt").write_text("\n".join(lines))
    assert prepare(open_source(source), cache, size=64, workers=1).decoded == 5
    assert same_images(cache, source)


def test_new_labels_need_no_decoding(cache, source):
    (source / "classes.txt").write_text("a\nb\nc\nd\ne\nf\n")
    assert prepare(open_source(source), cache, size=64, cluster="tcp://127.0.0.1:9").decoded == 0
    assert open_source(cache).classes == ("a", "b", "c", "d", "e", "f")


def test_an_image_that_cannot_be_decoded_is_named_and_the_rest_is_kept(source, tmp_path):
    bad = open_source(source).split("val").path(1)
    good = bad.read_bytes()
    bad.write_bytes(good[:200])
    out = tmp_path / "cache"
    with pytest.raises(DataError, match=rf"1 of 60 images cannot be prepared, first val: {bad.name} "):
        prepare(open_source(source), out, size=64, workers=1)
    with pytest.raises(DataError, match="in no format known"):
        open_source(out)
    bad.write_bytes(good)
    assert prepare(open_source(source), out, size=64, workers=1).decoded == 1
    assert same_images(out, source)


def test_images_that_cannot_be_decoded_may_be_left_out(source, tmp_path):
    split = open_source(source).split("val")
    split.path(1).write_bytes(b"not a picture")
    out = tmp_path / "cache"
    done = prepare(open_source(source), out, size=64, workers=1, skip_unreadable=True)
    assert done.images == 59
    assert split.images[1] in done.skipped[0]
    cached = open_source(out).split("val")
    assert cached.images == split.images[:1] + split.images[2:]
    rest = load_images(split.select([0, *range(2, len(split))]), SMALL)
    np.testing.assert_array_equal(load_images(cached, SMALL), rest)


def test_another_size_or_source_needs_force(cache, source, tmp_path):
    with pytest.raises(OutputError, match="is a cache of phantoms at 64 pixels, not of phantoms at 32"):
        prepare(open_source(source), cache, size=32)
    assert prepare(open_source(source), cache, size=32, workers=1, force=True).decoded == 60
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="exists already and is no prepared cache"):
        prepare(open_source(source), tmp_path / "mine", size=32, force=True)


def test_arrays_and_left_out_labels_are_kept(tmp_path):
    (tmp_path / "labels.csv").write_text("image,patient,A,B\na.png,p,1,-1\nb.png,q,0,1\n")
    for name in ("a.png", "b.png"):
        Image.new("L", (20, 10), 77).save(tmp_path / name)
    prepare(open_source(tmp_path), tmp_path / "cache", size=16, workers=1)
    split = open_source(tmp_path / "cache").split("all")
    assert split.mask_NC.tolist() == [[True, False], [True, True]]
    assert split.patients == ("p", "q")
    images = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=np.array([0, 2]))
    prepare(open_source(tmp_path / "x.npz"), tmp_path / "other", size=8, workers=1)
    arrays = open_source(tmp_path / "other")
    assert arrays.task == "multi-class"
    np.testing.assert_array_equal(load_images(arrays.split("train"), Preprocessing.square(8, 8)), images)
    assert prepare(open_source(tmp_path / "x.npz"), tmp_path / "other", size=8).decoded == 0


def test_two_processes_do_not_build_the_same_cache(cache, source):
    import fcntl

    (source / "classes.txt").write_text("a\nb\nc\nd\ne\nf\n")
    with (cache / ".xopt-cache").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another process is preparing"):
            prepare(open_source(source), cache, size=64)


@pytest.mark.parametrize("damage", ["marker", "names", "images"])
def test_a_damaged_cache_is_one_error_until_it_is_made_anew(cache, source, damage):
    folder = caches.current_version(cache)
    file = {
        "marker": cache / "prepared.json",
        "names": folder / "names.json",
        "images": folder / "images.npy",
    }
    content = file[damage].read_bytes()
    file[damage].write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="prepare it again with --force"):
        load_images(open_source(cache).split("train"), SMALL)
    with pytest.raises(DataError, match="prepare it again with --force"):
        prepare(open_source(source), cache, size=64)
    # What the journal vouches for is kept, unless the images themselves are gone.
    anew = prepare(open_source(source), cache, size=64, workers=1, force=True)
    assert anew.decoded == (60 if damage == "images" else 0)
    assert same_images(cache, source)


def start(source, out):
    script = Path(__file__).with_name("prepare_script.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, script, source, out], stdout=subprocess.PIPE, env=environment)


def journal_size(out):
    try:
        return (out / "part" / "journal").stat().st_size
    except OSError:
        return 0


@pytest.mark.slow
def test_a_call_that_is_killed_again_and_again_goes_on_where_it_was(drawn, tmp_path):
    out = tmp_path / "cache"
    for _ in range(3):
        before = journal_size(out)
        with start(drawn, out) as process:
            while journal_size(out) <= before and process.poll() is None:
                time.sleep(0.001)
            process.kill()
        with pytest.raises(DataError):
            open_source(out)
        assert journal_size(out) > before
    with start(drawn, out) as process:
        decoded = int(process.stdout.read())
    # Three kills kept at least one batch of 16 each.
    assert decoded <= 60 - 3 * 16
    assert same_images(out, drawn)


@pytest.mark.parametrize("cut", range(0, 130, 13))
def test_a_torn_journal_loses_its_last_row_at_most(source, tmp_path, cut):
    from xopt.datasets.cache_build import Journal

    rows = [(row, (row, -row), bytes([row]) * 32) for row in range(3)]
    journal = Journal(tmp_path / "journal")
    journal.add(iter(rows))
    journal.close()
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(content[: len(content) - cut])
    reopened = Journal(tmp_path / "journal")
    kept = reopened.read()
    assert kept == rows[: len(kept)]
    assert len(kept) == (180 - cut) // 60
    reopened.add(iter(rows[len(kept) :]))
    assert reopened.read() == rows
    reopened.close()


def test_a_call_that_was_killed_at_its_very_end_is_not_lost(made, source, tmp_path):
    out = Path(shutil.copytree(made, tmp_path / "cache"))
    prepare(open_source(source), out, size=64, workers=1)
    # The version had its name, and the marker was not yet written.
    (out / "prepared.json").unlink()
    again = prepare(open_source(source), out, size=64, cluster="tcp://127.0.0.1:9")
    assert again.decoded == 0
    assert same_images(out, source)
