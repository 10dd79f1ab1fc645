"""Loss, AUC and accuracy on a split, with labels that may be missing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.runtime.errors import TrainingError  # noqa: E402
from xopt.train.distributed import Processes  # noqa: E402
from xopt.train.inputs import SplitArrays  # noqa: E402
from xopt.train.losses import Loss  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402
from xopt.train.validation import evaluate, predict_all  # noqa: E402

LABELS = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=np.uint8)
LOGITS = np.array([[2, -1], [-1, -2], [-3, 3], [-2, 1]], dtype=np.float32)


def quality(labels=LABELS, logits=LOGITS, mask=None, **changes):
    recipe = Recipe(**{"architecture": "resnet18", "epochs": 1, "learning_rate": 0.1, **changes})
    images = np.zeros((len(labels), 1, 1), np.uint8)
    return evaluate(
        logits, SplitArrays(images_NHW=images, labels_NC=labels, mask_NC=mask), Loss(recipe, labels, mask)
    )


def test_loss_auc_and_accuracy_are_those_of_all_labels():
    found = quality(positive_weight="none")
    chances = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    right = np.where(LABELS == 1, chances, 1 - chances)
    assert found.loss == pytest.approx(-np.log(right).mean(), rel=1e-6)
    # Of 4 pairs each: 2 in order for the first class (2 above both, -3 below both), 2 for the second.
    assert found.auc == pytest.approx(0.5)
    assert found.accuracy == 5 / 8


def test_labels_that_are_not_known_are_left_out():
    mask = np.array([[True, True], [True, True], [False, True], [True, False]])
    turned = np.where(mask, LABELS, 1 - LABELS).astype(np.uint8)
    assert quality(mask=mask) == quality(labels=turned, mask=mask)
    # Without the third image the first class is in order; without the fourth the second is half.
    assert quality(mask=mask).auc == pytest.approx((1 + 0.5) / 2)
    assert quality(mask=mask).accuracy == 5 / 6
    assert quality(mask=np.zeros_like(mask) | [[True, False]] * 4).auc == pytest.approx(0.5)


def test_classes_that_exclude_each_other_are_ranked_by_their_probability():
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.uint8)
    # By the logit alone the second image looks most like the first class; by its probability it does not.
    logits = np.array([[2, 0, 0], [3, 9, 0], [0, 0, 1]], dtype=np.float32)
    found = quality(labels=labels, logits=logits, loss="cross-entropy", positive_weight="none")
    assert found.auc == 1
    assert found.accuracy == 1
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.arange(3)).item()
    assert found.loss == pytest.approx(expected, rel=1e-6)


def test_a_split_with_one_label_only_has_no_auc():
    assert quality(labels=np.zeros((4, 2), np.uint8)).auc is None


def test_a_loss_that_is_no_number_is_an_error():
    with pytest.raises(TrainingError, match=r"the validation loss became nan; try a lower learning rate"):
        quality(logits=np.full((4, 2), np.nan, np.float32))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_every_image_is_computed_once(batch_size):
    computed = []

    def predict(indices):
        computed.extend(indices.tolist())
        return np.stack([indices, -indices], axis=1).astype(np.float32)

    found = predict_all(predict, 7, 2, batch_size=batch_size, processes=Processes("cpu"))
    assert computed == list(range(7))
    np.testing.assert_array_equal(found, np.stack([np.arange(7), -np.arange(7)], axis=1))
