"""A head refitted so that windows of the shared trunk answer like the exact ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from xopt.datasets import load_images, open_source  # noqa: E402
from xopt.models.checkpoint import load_checkpoint  # noqa: E402
from xopt.optimize.export.head_alignment import PENALTIES, align_head  # noqa: E402
from xopt.optimize.export.torch_reference import torch_probabilities, window_features, window_logits  # noqa: E402
from xopt.runtime import Bundle, DataError  # noqa: E402
from xopt.runtime.images.crops import exact_plan  # noqa: E402

COUNT = 20


@pytest.fixture(scope="module")
def checkpoint(small):
    return load_checkpoint(small.run)


@pytest.fixture(scope="module")
def dataset(small):
    return open_source(small.data)


@pytest.fixture(scope="module", params=[pytest.param("five-shared", marks=pytest.mark.slow), "ten-shared"])
def plan(checkpoint, request):
    return replace(checkpoint.preprocessing, crops=request.param)


@pytest.fixture(scope="module")
def aligned(checkpoint, dataset, plan):
    return align_head(checkpoint, plan, dataset, COUNT)


def test_an_aligned_head_is_nearer_to_the_exact_plan_on_images_it_never_saw(
    checkpoint, dataset, plan, aligned
):
    images = load_images(dataset.split("test"), plan)
    exact = replace(plan, crops=exact_plan(plan.crops))
    wanted = [torch_probabilities(checkpoint, exact, image) for image in images]
    before, after = (
        np.abs([torch_probabilities(one, plan, image) for image in images] - np.array(wanted)).mean()
        for one in (checkpoint, aligned.checkpoint)
    )
    assert after < 0.8 * before
    assert aligned.error_held_out < 0.8 * aligned.error_before
    assert aligned.penalty in PENALTIES


def test_only_the_last_layer_changes_and_the_checkpoint_stays_as_it_was(small, checkpoint, aligned):
    fresh = load_checkpoint(small.run).network.state_dict()
    for key, tensor in checkpoint.network.state_dict().items():
        assert torch.equal(tensor, fresh[key])
    changed = {
        key
        for key, tensor in aligned.checkpoint.network.state_dict().items()
        if not torch.equal(tensor, fresh[key])
    }
    assert changed == {"fc.weight", "fc.bias"}


def test_the_last_layer_s_input_gives_the_windows_logits(checkpoint, plan):
    image = np.random.default_rng(0).integers(0, 256, (72, 72), dtype=np.uint8)
    features = window_features(checkpoint, plan, image)
    layer = checkpoint.network.fc
    logits = features @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
    np.testing.assert_allclose(logits, window_logits(checkpoint, plan, image), atol=1e-4)


def test_the_same_images_give_the_same_head(checkpoint, dataset, plan, aligned):
    again = align_head(checkpoint, plan, dataset, COUNT)
    assert torch.equal(again.checkpoint.network.fc.weight, aligned.checkpoint.network.fc.weight)


@pytest.mark.parametrize("why", ["exact plan", "no data", "no train split", "asked not to", "too few"])
def test_where_there_is_nothing_to_align_nothing_changes(checkpoint, dataset, plan, why):
    without = replace(dataset, splits={"test": dataset.splits["test"]})
    few = replace(dataset, splits={"train": dataset.splits["train"].select(np.arange(3))})
    asked = {
        "exact plan": (replace(plan, crops="ten"), dataset, COUNT),
        "no data": (plan, None, COUNT),
        "no train split": (plan, without, COUNT),
        "asked not to": (plan, dataset, 0),
        "too few": (plan, few, COUNT),
    }[why]
    assert align_head(checkpoint, *asked) is None


@pytest.mark.slow
def test_export_aligns_says_so_and_records_the_images(small, tmp_path, xopt):
    out = tmp_path / "s.xopt"
    words = ("export", small.run, "--out", out, "--crops", "ten-shared", "--data", small.data)
    done = xopt(*words, "--alignment-size", "20", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    recorded = Bundle.open(out).manifest.provenance["alignment"]
    assert len(recorded.pop("pixels").split()) == len(recorded["images"])
    assert facts["alignment"] == recorded
    assert (recorded["split"], recorded["size"], len(recorded["images"])) == ("train", 20, 20)
    assert facts["parity"]["max_abs"] <= 1e-4
    plain = xopt(*words[:3], tmp_path / "p.xopt", *words[4:], "--alignment-size", "0")
    assert "head     as it was trained" in plain.out
    exact = Bundle.open(tmp_path / "p.xopt").manifest.provenance["parity"]["exact"]
    assert facts["parity"]["exact"]["mean_abs"] < exact["mean_abs"]


@pytest.mark.slow
def test_images_that_aligned_are_not_scored(small, tmp_path, xopt, dataset):
    from xopt.datasets.roles import Scored, check_fitted

    out = tmp_path / "s.xopt"
    words = ("--crops", "ten-shared", "--data", small.data, "--alignment-size", "4")
    assert xopt("export", small.run, "--out", out, *words).code == 0
    bundle = Bundle.open(out)
    plan = bundle.manifest.preprocessing
    check_fitted([bundle], Scored(split=dataset.split("test"), preprocessing=plan))
    with pytest.raises(DataError, match="of the images to score aligned"):
        check_fitted([bundle], Scored(split=dataset.split("train"), preprocessing=plan))
