"""A student learns from a checkpoint's or a bundle's answers."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import load_images, open_source  # noqa: E402
from xopt.models import load_checkpoint  # noqa: E402
from xopt.runtime.errors import UsageError  # noqa: E402
from xopt.train.inputs import normalise  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402
from xopt.train.teachers import open_teacher  # noqa: E402

TEACHER = Recipe(
    architecture="macro-1-stem4-depths1-widths8-head8",
    epochs=12,
    learning_rate=3e-2,
    size=36,
    crop=32,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    batch_size=8,
)
STUDENT = replace(TEACHER, size=12, crop=10, epochs=20, distill_weight=1.0, mirror=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    numbers = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 48), ("val", 8)):
        bright = numbers.integers(0, 250, size=(count, 1, 1))
        arrays[f"{split}_labels"] = (bright[:, 0] > [60, 120, 180]).astype(np.uint8)
        arrays[f"{split}_images"] = np.broadcast_to(bright, (count, 36, 36)).astype(np.uint8)
    np.savez(folder / "data.npz", **arrays)
    (folder / "data.classes.txt").write_text("A\nB\nC\n")
    return open_source(folder / "data.npz")


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "run"
    train(dataset, TEACHER).write(folder)
    return folder


def test_a_checkpoint_answers_on_its_own_preprocessing(dataset, run):
    checkpoint = load_checkpoint(run)
    split = dataset.split("train")
    images = torch.from_numpy(load_images(split, TEACHER.preprocessing()))[:, 2:34, 2:34]
    with torch.no_grad():
        expected = checkpoint.network(normalise(images, TEACHER.preprocessing())).numpy()
    teacher = open_teacher(run, dataset.classes)
    np.testing.assert_allclose(teacher.answer(split), expected, atol=1e-5)
    assert teacher.digest == checkpoint.digest


def test_classes_are_matched_by_name(dataset, run):
    split = dataset.split("train")
    straight = open_teacher(run, ("A", "B", "C")).answer(split)
    turned = open_teacher(run, ("C", "unknown", "A"))
    assert turned.known_C.tolist() == [True, False, True]
    answers = turned.answer(split)
    np.testing.assert_array_equal(answers[:, [0, 2]], straight[:, [2, 0]])
    assert not answers[:, 1].any()
    with pytest.raises(UsageError, match="knows none of the classes; it answers for A, B, C, the data has x"):
        open_teacher(run, ("x",))


def test_where_classes_exclude_each_other_a_teacher_knows_all_of_them(dataset, run):
    one_each = {}
    for name, split in dataset.splits.items():
        labels = np.eye(4, dtype=np.uint8)[split.labels_NC.sum(axis=1)]
        one_each[name] = replace(split, labels_NC=labels)
    graded = replace(dataset, splits=one_each, classes=("A", "B", "C", "none"), exclusive=True)
    recipe = replace(STUDENT, loss="cross-entropy", epochs=1)
    with pytest.raises(UsageError, match="does not know none; where classes exclude each other"):
        train(graded, recipe, teacher=run)
    assert open_teacher(run, ("C", "A"), exclusive=True).known_C.all()


def test_a_student_follows_its_teacher_and_not_the_labels(dataset, run):
    split = dataset.split("train")
    wanted = open_teacher(run, dataset.classes).answer(split)
    images = torch.from_numpy(load_images(split, STUDENT.preprocessing()))[:, 1:11, 1:11]

    def likeness(network):
        with torch.no_grad():
            answers = network(normalise(images, STUDENT.preprocessing())).numpy()
        return np.corrcoef(answers.ravel(), wanted.ravel())[0, 1]

    # The labels say the opposite of what the teacher has learnt; val decides which epoch is kept.
    lies = {name: replace(part, labels_NC=1 - part.labels_NC) for name, part in dataset.splits.items()}
    taught = train(replace(dataset, splits={**dataset.splits, "train": lies["train"]}), STUDENT, teacher=run)
    alone = train(replace(dataset, splits=lies), STUDENT)
    assert likeness(taught.network) > 0.7
    assert likeness(alone.network) < 0.2
    assert taught.notes["teacher"] == load_checkpoint(run).digest
    assert "teacher" not in alone.notes


def test_a_resumed_student_must_have_its_teacher(dataset, run, tmp_path):
    recipe = replace(STUDENT, epochs=1)
    train(dataset, recipe, teacher=run, run=tmp_path / "student")
    with pytest.raises(UsageError, match="was begun with other teacher"):
        train(dataset, recipe, run=tmp_path / "student", resume=True)


@pytest.mark.slow
def test_a_bundle_teaches_what_its_checkpoint_does(dataset, run, tmp_path, xopt):
    done = xopt("export", run, "--out", tmp_path / "teacher.xopt", "--crops", "center")
    assert done.code == 0, done.err
    split = dataset.split("train")
    bundle = open_teacher(tmp_path / "teacher.xopt", dataset.classes)
    np.testing.assert_allclose(
        bundle.answer(split), open_teacher(run, dataset.classes).answer(split), atol=1e-3
    )
