"""`patches`: what it finds and where, and that its weights are those of the regression it claims."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.train.tiny import TINY, Halt, halting, write_data  # noqa: E402
from xopt.benchmarks.metrics import mean_auc  # noqa: E402
from xopt.datasets import open_source  # noqa: E402
from xopt.optimize.alignment import align_head  # noqa: E402
from xopt.runtime.crops import windows  # noqa: E402
from xopt.runtime.errors import UsageError  # noqa: E402
from xopt.train import patches, solving  # noqa: E402
from xopt.train.anatomy import take_apart  # noqa: E402
from xopt.train.checkpoints import load_checkpoint  # noqa: E402
from xopt.train.ensembles import apart, check_sides, join, learners  # noqa: E402
from xopt.train.inputs import cut_windows, normalise  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.losses import Loss  # noqa: E402
from xopt.train.material import Material  # noqa: E402
from xopt.train.models import build, stride  # noqa: E402
from xopt.train.patches import CELLS, MIN_SIDE, Patches  # noqa: E402
from xopt.train.starting import start_pretrained  # noqa: E402

SMALL = replace(TINY, size=18, crop=16)
WITH_PATCHES = replace(TINY, architecture=f"{TINY.architecture}+patches", crop=12)


FILTERS = 12
"""As many as 200 solve the same equations, slowly."""


@pytest.fixture(autouse=True)
def few_filters(monkeypatch):
    monkeypatch.setattr(patches, "FILTERS", FILTERS)


def stripes(count, *, seed, classes=1):
    """Noise, with stripes across in the upper left where the first label is 1, and upright ones where not."""
    random = np.random.default_rng(seed)
    labels_NC = random.integers(0, 2, size=(count, classes)).astype(np.uint8)
    images_NHW = random.integers(100, 130, size=(count, 18, 18))
    across = 40 * (np.arange(9) // 2 % 2)
    for image_HW, labels_C in zip(images_NHW, labels_NC, strict=True):
        image_HW[:9, :9] += across[:, None] if labels_C[0] else across[None, :]
    return Material(images_NHW=images_NHW.astype(np.uint8), labels_NC=labels_NC)


def solved(material, recipe=SMALL, *, val=None, number=0):
    val = val or material
    loss = Loss(recipe, material.labels_NC, material.mask_NC)
    torch.manual_seed(0)
    network = Patches(material.labels_NC.shape[1])
    solving.solve(network, train=material, val=val, loss=loss, recipe=recipe, number=number)
    return network


def middles(material, recipe=SMALL):
    window = windows("center", size=recipe.size, crop=recipe.crop)
    indices = np.arange(len(material))
    crops = cut_windows(material.images_NHW, indices, [window] * len(indices), recipe.crop)
    return normalise(crops, recipe.preprocessing())


@pytest.mark.parametrize("cells", [1, 2, 3, 5])
def test_the_map_s_mean_is_the_features_and_each_lies_in_its_place(cells):
    network = solved(stripes(8, seed=0))
    images = middles(stripes(2, seed=1))
    with torch.no_grad():
        values = network.standardised(images)
        features = network.features(images, cells)
    assert features.shape == (2, 2 * FILTERS * CELLS**2, cells, cells)
    torch.testing.assert_close(features.mean((2, 3)), values, atol=1e-4, rtol=1e-4)
    corner, centre = features[:, 0].abs(), features[:, 4 * 2 * FILTERS].abs()
    assert corner[:, 0, 0].min() > 0
    if cells > 1:
        assert corner[:, -1, -1].max() == 0
        torch.testing.assert_close(centre, centre.flip(1).flip(2))


def test_it_tells_textures_apart_by_where_they_are():
    val = stripes(60, seed=2)
    network = solved(stripes(120, seed=1), val=val)
    with torch.no_grad():
        logits_NC = network(middles(val)).numpy()
    assert mean_auc(val.labels_NC.astype(np.int8), logits_NC.astype(np.float64)) > 0.95


@pytest.mark.parametrize("mirror", [True, False])
def test_the_head_is_a_newton_step_of_ridge_logistic_regression(mirror, monkeypatch):
    monkeypatch.setattr(solving, "PENALTIES", (0.03,))
    recipe = replace(SMALL, mirror=mirror, positive_weight="none")
    material = stripes(40, seed=3, classes=2)
    network = solved(material, recipe)
    plan = windows("ten" if mirror else "five", size=recipe.size, crop=recipe.crop)
    crops = cut_windows(material.images_NHW, np.arange(40), [plan] * 40, recipe.crop)
    with torch.no_grad():
        values_VF = network.standardised(normalise(crops, recipe.preprocessing())).double().numpy()
    labels_VC = material.labels_NC.repeat(len(plan), axis=0).astype(np.float64)
    # The model that is stepped from: each class's frequency, whatever the image.
    frequency_C = (material.labels_NC.sum(0) + 0.5) / 41
    centred_VF = values_VF - values_VF.mean(0)
    penalty = 0.03 * len(values_VF) * values_VF.var(0).sum()
    for place, frequency in enumerate(frequency_C):
        variance = frequency * (1 - frequency)
        gradient_F = centred_VF.T @ (labels_VC[:, place] - frequency)
        # By the dual, which shares no step with the code.
        gram_VV = centred_VF @ centred_VF.T
        inner_V = np.linalg.solve(gram_VV + penalty * np.eye(len(gram_VV)), gram_VV @ np.eye(len(gram_VV)))
        step_F = (gradient_F - centred_VF.T @ (inner_V @ (labels_VC[:, place] - frequency))) / penalty
        expected_F = step_F / variance
        found_F = network.classifier.weight[place].double().numpy()
        np.testing.assert_allclose(found_F, expected_F, atol=2e-4 * np.abs(expected_F).max())
        bias = np.log(frequency / (1 - frequency)) - values_VF.mean(0) @ expected_F
        assert network.classifier.bias[place].item() == pytest.approx(bias, abs=1e-3)


def test_unknown_labels_say_nothing():
    material = stripes(40, seed=4, classes=2)
    mask_NC = np.random.default_rng(0).random((40, 2)) < 0.7
    flipped_NC = np.where(mask_NC, material.labels_NC, 1 - material.labels_NC)
    one = solved(replace(material, mask_NC=mask_NC))
    other = solved(replace(material, mask_NC=mask_NC, labels_NC=flipped_NC))
    assert torch.equal(one.classifier.weight, other.classifier.weight)
    whole = solved(material).classifier.weight
    assert not torch.equal(one.classifier.weight, whole)
    # The known ones stand for all: weights are as large as with them alone, not as few labels as are known.
    assert 0.5 < (one.classifier.weight.norm() / whole.norm()).item() < 2


def test_positives_that_weigh_more_are_as_many_more():
    material = stripes(60, seed=10)
    rare = replace(material, labels_NC=material.labels_NC * (np.arange(60)[:, None] % 4 == 0))
    plain = solved(rare, replace(SMALL, positive_weight="none"))
    weighed = solved(rare, replace(SMALL, positive_weight="balanced"))
    with torch.no_grad():
        means = [network(middles(rare)).mean().item() for network in (plain, weighed)]
    assert means[0] < -0.8
    assert abs(means[1]) < 0.5


def test_classes_that_exclude_each_other_get_a_softmax():
    recipe = replace(SMALL, loss="cross-entropy", positive_weight="none")
    found = []
    for count, seed in ((120, 5), (60, 6)):
        material = stripes(count, seed=seed)
        found.append(replace(material, labels_NC=np.hstack([1 - material.labels_NC, material.labels_NC])))
    network = solved(found[0], recipe, val=found[1])
    with torch.no_grad():
        answers_N = network(middles(found[1])).argmax(1).numpy()
    assert (answers_N == found[1].labels_NC[:, 1]).mean() > 0.9


def test_numbers_differ_by_the_seed_and_the_place_alone():
    material = stripes(20, seed=7)
    first = solved(material).filters.weight
    assert torch.equal(first, solved(material).filters.weight)
    assert not torch.equal(first, solved(material, number=1).filters.weight)
    assert not torch.equal(first, solved(material, replace(SMALL, seed=1)).filters.weight)


def test_of_many_images_some_are_drawn(monkeypatch):
    material = stripes(40, seed=8)
    whole = solved(material).classifier.weight
    monkeypatch.setattr(solving, "MAX_IMAGES", 20)
    seen = set()
    cut = solving.cut_windows
    monkeypatch.setattr(solving, "cut_windows", lambda *given: seen.update(given[1].tolist()) or cut(*given))
    assert not torch.equal(solved(material).classifier.weight, whole)
    assert len(seen) == 20


def test_an_image_without_anything_in_it_is_no_trouble():
    material = stripes(20, seed=9)
    flat = replace(material, images_NHW=np.full_like(material.images_NHW, 128))
    assert all(weight.isfinite().all() for weight in solved(flat).state_dict().values())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_source(write_data(tmp_path_factory.mktemp("data")))


def test_beside_a_network_that_learns_it_stays_as_it_was_solved(dataset):
    alone = train(dataset, replace(TINY, crop=12, epochs=2, keep="last"))
    both = train(dataset, replace(WITH_PATCHES, epochs=2, keep="last", ema=0.9))
    again = train(dataset, replace(WITH_PATCHES, epochs=1, learning_rate=1e-6))
    for key, weights in both.network.members[1].state_dict().items():
        assert torch.equal(weights, again.network.members[1].state_dict()[key]), key
    plain = train(dataset, replace(WITH_PATCHES, epochs=2, keep="last"))
    for key, weights in alone.network.state_dict().items():
        assert torch.equal(weights, plain.network.members[0].state_dict()[key]), key
    assert plain.history[0].train_loss == alone.history[0].train_loss
    assert plain.history[0].val_loss != alone.history[0].val_loss


def test_a_resumed_training_ends_with_the_same_bits(dataset, tmp_path, monkeypatch):
    whole = train(dataset, WITH_PATCHES, run=tmp_path / "whole").network.state_dict()
    solve = solving.solve
    with pytest.raises(Halt):
        train(dataset, WITH_PATCHES, run=tmp_path / "run", report=halting(2))
    # What was solved is in the state.
    monkeypatch.setattr(solving, "solve", None)
    resumed = train(dataset, WITH_PATCHES, run=tmp_path / "run", resume=True).network.state_dict()
    monkeypatch.setattr(solving, "solve", solve)
    begun = train(dataset, WITH_PATCHES, run=tmp_path / "new", resume=True).network.state_dict()
    assert all(torch.equal(weights, begun[key]) for key, weights in whole.items())
    for key, weights in whole.items():
        assert torch.equal(weights, resumed[key]), key


def test_it_is_solved_anew_on_other_weights(dataset, tmp_path):
    train(dataset, replace(WITH_PATCHES, epochs=1, seed=1), run=tmp_path / "run")
    fresh = train(dataset, replace(WITH_PATCHES, epochs=1)).network.members[1]
    begun = train(dataset, replace(WITH_PATCHES, epochs=1), weights=tmp_path / "run").network.members[1]
    assert torch.equal(begun.classifier.weight, fresh.classifier.weight)


def test_imagenet_s_weights_go_to_the_others(monkeypatch):
    from xopt.train import starting

    asked = []
    monkeypatch.setattr(starting, "_start_one", lambda _network, recipe: asked.append(recipe.architecture))
    recipe = replace(TINY, architecture="resnet18+patches", size=64, crop=64)
    start_pretrained(build(recipe.architecture, 1, 1), recipe)
    assert asked == ["resnet18"]


def test_joined_they_answer_as_apart(dataset, tmp_path):
    network = train(dataset, WITH_PATCHES, run=tmp_path / "run").network.eval()
    checkpoint = load_checkpoint(tmp_path / "run")
    images = torch.randn(3, 1, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(checkpoint.network(images), network(images), atol=1e-5, rtol=1e-4)
        parts = take_apart(checkpoint.architecture, checkpoint.network)
        pooled = parts.trunk(images).mean((2, 3))
        torch.testing.assert_close(parts.head(pooled), network(images), atol=1e-5, rtol=1e-4)
    with pytest.raises(UsageError, match="take --crops five instead of five-shared"):
        align_head(checkpoint, replace(checkpoint.preprocessing, crops="five-shared"), None, 10)


def test_it_goes_beside_any_stride():
    assert (stride("patches+small-cnn"), stride("resnet18+patches"), stride("patches")) == (4, 32, 32)
    check_sides("densenet121+patches", 70)
    network = join(build("small-cnn+patches", 2, 1))
    assert network.features(torch.zeros(1, 1, 28, 28)).shape == (1, 256 + 2 * FILTERS * CELLS**2, 7, 7)
    assert len(apart(build("small-cnn+patches", 2, 1))) == 2
    assert len(learners(build("small-cnn+patches", 2, 1))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "patches"}, r"beside a network that does: resnet18\+patches"),
        ({"architecture": "patches+patches"}, "is solved before the first step"),
        ({"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}, "reads one grey plane, got 3 channels"),
        ({"crop": MIN_SIDE - 1}, "needs views of at least 11 pixels, got 10; take larger ones"),
    ],
)
def test_what_it_cannot_do_is_told_before_anything_is_trained(dataset, changes, message):
    with pytest.raises(UsageError, match=message):
        train(dataset, replace(WITH_PATCHES, **changes))
