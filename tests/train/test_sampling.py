import numpy as np
import pytest

from xopt.runtime.errors import UsageError
from xopt.train.recipe import Recipe
from xopt.train.sampling import Batches, draw_chances, share_of


def make(**changes):
    return Recipe(
        **{"architecture": "resnet18", "epochs": 1, "learning_rate": 0.1, "batch_size": 4, **changes}
    )


def batches(count=10, **changes):
    return Batches(recipe=make(**changes), labels_NC=np.eye(count, 2, dtype=np.uint8))


@pytest.mark.parametrize(("count", "expected"), [(3, 1), (4, 1), (7, 1), (8, 2), (11, 2)])
def test_a_last_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one(count, expected):
    assert len(batches(count)) == expected


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    first, second = batches().order(1), batches().order(2)
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)
    assert list(first) == list(batches().order(1))
    assert list(first) != list(batches(seed=1).order(1))
    assert [list(batches().batch(first, number)) for number in (0, 1)] == [list(first[:4]), list(first[4:8])]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [4, 5, 9])
def test_processes_share_a_batch_out_completely(size, world):
    shares = [share_of(np.arange(size), rank, world) for rank in range(world)]
    assert list(np.concatenate(shares)) == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_batch_smaller_than_the_number_of_processes_is_refused():
    with pytest.raises(UsageError, match="a batch of 2 images cannot be shared among 3 processes"):
        share_of(np.arange(2), 0, 3)


@pytest.mark.parametrize(
    ("labels", "mask", "chances"),
    [
        # One class: both labels equally often.
        ([[1], [0], [0], [0]], None, [1 / 2, 1 / 6, 1 / 6, 1 / 6]),
        ([[1], [1], [1]], None, [1 / 3, 1 / 3, 1 / 3]),
        # Two classes: the mean of what each would have.
        ([[1, 0], [0, 1]], None, [1 / 2, 1 / 2]),
        ([[1, 0], [0, 0], [0, 0], [0, 1]], None, [1 / 3, 1 / 6, 1 / 6, 1 / 3]),
        # A label that is not known asks for nothing.
        ([[1], [0], [0]], [[True], [True], [False]], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_balanced_sampling_draws_rare_labels_more_often(labels, mask, chances):
    found = draw_chances(np.array(labels, np.uint8), None if mask is None else np.array(mask))
    np.testing.assert_allclose(found, chances)


def test_balanced_epochs_hold_as_many_images_half_of_them_positive():
    labels = np.zeros((1000, 1), np.uint8)
    labels[:50] = 1
    order = Batches(recipe=make(sampling="balanced"), labels_NC=labels).order(1)
    assert len(order) == 1000
    assert 0.45 < labels[order].mean() < 0.55
