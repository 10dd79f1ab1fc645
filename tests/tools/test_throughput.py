"""The throughput script runs both ways of training; what it finds is not judged here."""

import json

import pytest

pytest.importorskip("torch")

from tools import reference_loop, throughput
from xopt.datasets import open_source, phantoms
from xopt.runtime.errors import UsageError
from xopt.runtime.images.preprocessing import Preprocessing
from xopt.train.recipe import load_recipe

TINY = ["architecture=macro-00000000", "size=36", "crop=32", "sizes=[24, 32]", "epochs=2", "batch_size=8"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("throughput") / "phantoms"
    phantoms.write(folder, count=40, seed=1, size=40)
    return folder


@pytest.fixture
def small_reference(monkeypatch):
    # DenseNet-121 on 224 pixels would take minutes on the way to the same lines.
    monkeypatch.setattr(reference_loop, "PREPROCESSING", Preprocessing(size=36, crop=32))


def test_both_ways_are_measured_in_turns(source, small_reference):
    reference, ours = throughput.measure(
        open_source(source), load_recipe("chexnet-fast", TINY), images=16, rounds=2
    )
    for found in (reference, ours):
        assert len(found.crops_per_second) == 2
        assert all(0 < speed < 1e6 for speed in found.crops_per_second)
    assert ours.median > reference.median, "a network of a hundredth of the work is meant to be faster"


def test_the_script_says_the_ratio(source, small_reference, capsys):
    throughput.main(
        data=source, recipe="chexnet-fast", settings=TINY, images=16, rounds=1, device="cpu", as_json=True
    )
    facts = json.loads(capsys.readouterr().out)
    assert facts["ratio"] == pytest.approx(
        facts["recipe"]["crops_per_second"] / facts["reference"]["crops_per_second"]
    )


def test_too_few_images_for_two_batches_are_refused(source):
    with pytest.raises(UsageError, match="fewer than two batches of 16"):
        throughput.measure(open_source(source), load_recipe("chexnet-fast"), images=20)
