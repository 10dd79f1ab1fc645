"""The throughput script runs both ways of training; what it finds is not judged here."""

import json
import time

import pytest

pytest.importorskip("torch")

from xopt.datasets import open_source, phantoms
from xopt.runtime.errors import UsageError
from xopt.runtime.images.preprocessing import Preprocessing
from xopt.tools import throughput
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
    monkeypatch.setattr(throughput, "PREPROCESSING", Preprocessing.square(36, 32))


@pytest.fixture
def work_as_time(monkeypatch):
    """A clock that goes forward by the multiply-accumulates of convolutions and linear layers alone."""
    torch = pytest.importorskip("torch")
    passed = [0.0]

    def count(layer, _given, answer):
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            passed[0] += 1e-9 * layer.weight[0].numel() * answer.numel()

    monkeypatch.setattr(time, "perf_counter", lambda: passed[0])
    hook = torch.nn.modules.module.register_module_forward_hook(count)
    yield
    hook.remove()


@pytest.mark.slow
def test_both_ways_are_measured_in_turns(source, small_reference, work_as_time):
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


def test_the_reference_sees_every_image_of_an_epoch_once():
    rows = throughput._rows(10)
    seen = [row for _ in range(5) for row in next(rows)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
