"""The loss: by hand where the numbers are small, by torch where it has the same."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from xopt.runtime.errors import DataError  # noqa: E402
from xopt.train.losses import Loss, Targets, balance, pool_crops  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402

LABELS = np.array([[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 1]], dtype=np.uint8)
EXCLUSIVE = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]], dtype=np.uint8)
MASK = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0]], dtype=bool)


def make(**changes):
    least = {"architecture": "resnet18", "epochs": 1, "learning_rate": 1e-3, "positive_weight": "none"}
    return Recipe(**{**least, **changes})


def targets(labels=LABELS, mask=None, taught=None):
    return Targets(
        labels_BC=torch.from_numpy(labels).float(),
        known_BC=None if mask is None else torch.from_numpy(mask).float(),
        taught_BC=taught,
    )


@pytest.fixture
def logits():
    return torch.from_numpy(np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32))


def mean(loss, logits, wanted, labels=LABELS, mask=None):
    return (loss.sum(logits, wanted) / loss.weight(labels, mask)).item()


@pytest.mark.parametrize("weighting", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_is_torch_s(logits, weighting, smoothing):
    recipe = make(positive_weight=weighting, label_smoothing=smoothing)
    weight = torch.tensor([3.0, 3.0, 1 / 3]) if weighting == "balanced" else None
    wanted = torch.from_numpy(LABELS).float() * (1 - smoothing) + smoothing / 2
    expected = functional.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)
    assert mean(Loss(recipe, LABELS), logits, targets()) == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("weighting", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_torch_s(logits, weighting, smoothing):
    recipe = make(loss="cross-entropy", positive_weight=weighting, label_smoothing=smoothing)
    # Four images of three classes, three of the first and one of the second.
    weight = torch.tensor([4 / 9, 4 / 3, 1.0]) if weighting == "balanced" else None
    expected = functional.cross_entropy(
        logits, torch.tensor([0, 0, 1, 0]), weight=weight, label_smoothing=smoothing
    )
    found = mean(Loss(recipe, EXCLUSIVE), logits, targets(EXCLUSIVE), EXCLUSIVE)
    assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_is_bce_times_the_missed_probability(logits, gamma):
    chances = torch.sigmoid(logits)
    right = torch.where(torch.from_numpy(LABELS) == 1, chances, 1 - chances)
    expected = (-((1 - right) ** gamma) * right.log()).mean().item()
    assert mean(Loss(make(loss="focal", focal_gamma=gamma), LABELS), logits, targets()) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("kind", ["bce", "focal"])
def test_labels_that_are_not_known_count_for_nothing(logits, kind):
    loss = Loss(make(loss=kind), LABELS, MASK)
    turned = np.where(MASK, LABELS, 1 - LABELS).astype(np.uint8)
    first = mean(loss, logits, targets(LABELS, MASK), LABELS, MASK)
    assert first == mean(loss, logits, targets(turned, MASK), turned, MASK)
    parts = [
        loss.sum(
            logits[row : row + 1, column : column + 1], targets(LABELS[row : row + 1, column : column + 1])
        )
        for row, column in zip(*np.nonzero(MASK), strict=True)
    ]
    assert first == pytest.approx(sum(parts).item() / MASK.sum(), rel=1e-6)


def test_weights_are_of_the_known_labels():
    np.testing.assert_allclose(balance(LABELS, None, exclusive=False), [3, 3, 1 / 3])
    # Known: 1 0 0 of the first, 0 1 0 of the second, 1 1 0 of the third.
    np.testing.assert_allclose(balance(LABELS, MASK, exclusive=False), [2, 2, 1 / 2])
    np.testing.assert_allclose(balance(np.ones((3, 1), np.uint8), None, exclusive=False), [1])


@pytest.mark.parametrize("kind", ["bce", "cross-entropy", "focal"])
def test_shares_of_a_batch_add_up_to_the_whole(logits, kind):
    labels, mask = (EXCLUSIVE, None) if kind == "cross-entropy" else (LABELS, MASK)
    loss = Loss(make(loss=kind, positive_weight="balanced"), labels, mask)
    whole = loss.sum(logits, targets(labels, mask)).item()
    halves = [
        loss.sum(logits[part], targets(labels[part], None if mask is None else mask[part])).item()
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert sum(halves) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    ("labels", "mask"), [(LABELS, None), (EXCLUSIVE, MASK), (np.zeros((2, 3), np.uint8), None)]
)
def test_cross_entropy_refuses_labels_of_another_kind(labels, mask):
    with pytest.raises(DataError, match=r"exactly one class each; .* split train .* use --set loss=bce"):
        Loss(make(loss="cross-entropy"), labels, mask)
    loss = Loss(make(loss="cross-entropy"), EXCLUSIVE)
    with pytest.raises(DataError, match=r"exactly one class each; .* split val .* use --set loss=bce"):
        loss.check(labels, mask, split="val")


def test_a_split_of_which_nothing_is_known_is_refused():
    with pytest.raises(DataError, match="no label of the split val is known; choose another --uncertain"):
        Loss(make(), LABELS).check(LABELS, np.zeros_like(MASK), split="val")


@pytest.mark.parametrize("kind", ["bce", "cross-entropy"])
def test_a_student_that_answers_as_its_teacher_has_the_least_distilled_loss(logits, kind):
    labels = EXCLUSIVE if kind == "cross-entropy" else LABELS
    loss = Loss(make(loss=kind, distill_weight=1.0), labels, None, np.ones(3, dtype=bool))
    near = loss.sum(logits, targets(labels, taught=logits)).item()
    for shift in (-0.5, 0.5):
        far = logits + torch.tensor([shift, 0.0, 0.0])
        assert loss.sum(far, targets(labels, taught=logits)).item() > near
    student = logits.clone().requires_grad_()
    loss.sum(student, targets(labels, taught=logits)).backward()
    assert student.grad.abs().max() < 1e-6


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_teacher_has_its_share_of_the_loss_where_it_knows_the_class(logits, share):
    known = np.array([True, False, True])
    taught = torch.flip(logits, dims=(0,))
    heat = 3.0
    loss = Loss(make(distill_weight=share, distill_temperature=heat), LABELS, None, known)
    hard = functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(LABELS).float(), reduction="none"
    )
    soft = functional.binary_cross_entropy_with_logits(
        logits[:, known] / heat, torch.sigmoid(taught[:, known] / heat), reduction="sum"
    )
    expected = hard[:, ~known].sum() + (1 - share) * hard[:, known].sum() + share * heat**2 * soft
    assert loss.sum(logits, targets(taught=taught)).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_mean_is_over_known_labels_and_the_teacher_s_answers_by_their_shares(logits, share):
    known = np.array([True, False, True])
    taught = torch.flip(logits, dims=(0,))
    loss = Loss(make(distill_weight=share, distill_temperature=1.0), LABELS, MASK, known)
    hard = functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(LABELS).float(), reduction="none"
    )
    soft = functional.binary_cross_entropy_with_logits(logits, torch.sigmoid(taught), reduction="none")
    total = weight = 0.0
    for row, column in np.ndindex(*LABELS.shape):
        of_teacher = share if known[column] else 0.0
        of_label = (1 - of_teacher) * MASK[row, column]
        total += of_label * hard[row, column].item() + of_teacher * soft[row, column].item()
        weight += of_label + of_teacher
    assert loss.weight(LABELS, MASK, taught=True) == pytest.approx(weight)
    assert loss.sum(logits, targets(LABELS, MASK, taught)).item() == pytest.approx(total, rel=1e-5)
    # A validation split is asked without the teacher.
    assert loss.weight(LABELS, MASK) == MASK.sum()


@pytest.mark.parametrize(("kind", "weighting"), [("bce", "none"), ("cross-entropy", "balanced")])
def test_a_teacher_that_says_what_the_labels_say_changes_no_mean(kind, weighting):
    labels = EXCLUSIVE if kind == "cross-entropy" else LABELS
    mask = None if kind == "cross-entropy" else MASK
    sure = torch.from_numpy(labels).float() * 60 - 30
    # As far from each label, so that every cell and every image has the same loss.
    logits = torch.zeros(4, 3)
    means = []
    for share in (0.0, 0.5, 1.0):
        recipe = make(loss=kind, positive_weight=weighting, distill_weight=share, distill_temperature=1.0)
        loss = Loss(recipe, labels, mask, np.ones(3, dtype=bool))
        total = loss.sum(logits, targets(labels, mask, sure)).item()
        means.append(total / loss.weight(labels, mask, taught=True))
    assert means == pytest.approx([np.log(3 if kind == "cross-entropy" else 2)] * 3, rel=1e-5)


def test_a_batch_of_which_nothing_is_known_has_no_loss(logits):
    loss = Loss(make(), LABELS, MASK)
    nothing = np.zeros_like(MASK)
    assert mean(loss, logits, targets(LABELS, nothing), LABELS, nothing) == 0


@pytest.mark.parametrize("exclusive", [False, True])
def test_crops_are_pooled_by_their_mean_probability(exclusive):
    crops = torch.from_numpy(np.random.default_rng(2).normal(scale=3, size=(5, 10, 4)))
    chances = functional.softmax(crops, dim=2) if exclusive else torch.sigmoid(crops)
    pooled = pool_crops(crops, "probabilities", exclusive=exclusive)
    again = functional.softmax(pooled, dim=1) if exclusive else torch.sigmoid(pooled)
    torch.testing.assert_close(again, chances.mean(dim=1))


def test_crops_are_pooled_by_their_mean_logit():
    crops = torch.arange(12.0).view(2, 3, 2)
    assert pool_crops(crops, "logits").tolist() == [[2, 3], [8, 9]]


def test_certain_crops_still_have_a_finite_mean():
    crops = torch.tensor([[[200.0], [200.0]], [[-200.0], [-200.0]]])
    assert pool_crops(crops, "probabilities").flatten().tolist() == pytest.approx([200, -200])
