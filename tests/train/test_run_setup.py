"""What is to be trained is read and checked before anything is written."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import open_source  # noqa: E402
from xopt.runtime.errors import DataError  # noqa: E402
from xopt.train.loop import train  # noqa: E402

from .tiny import TINY, write_data  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_source(write_data(tmp_path_factory.mktemp("data"), values=3))


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels_NC": 1}, "exactly one class each; the labels of the split {split} are another kind"),
        ({"mask_NC": False}, "no label of the split {split} is known"),
    ],
)
def test_labels_that_do_not_fit_the_loss_are_refused_in_both_splits(
    dataset, tmp_path, split, changes, complaint
):
    part = dataset.split(split)
    shape = part.labels_NC.shape
    kinds = {"labels_NC": np.uint8, "mask_NC": bool}
    filled = {name: np.full(shape, value, kinds[name]) for name, value in changes.items()}
    splits = {**dataset.splits, split: replace(part, **filled)}
    with pytest.raises(DataError, match=complaint.format(split=split)):
        train(replace(dataset, splits=splits), replace(TINY, loss="cross-entropy"), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
