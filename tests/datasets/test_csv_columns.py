import numpy as np
import pytest

from xopt.datasets import gather_statistics, open_source
from xopt.datasets.csv_columns import CHEXPERT, COMPETITION
from xopt.runtime.errors import DataError, UsageError

CHEXPERT_HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(CHEXPERT) + "\n"


def test_one_file_says_patient_and_split_by_columns(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(
        "image,Patient_ID,split,Age,B,A\na.png,7,train,60,1,0\nb.png,8,valid,61,0.0,1.0\nc.png,8,train,9,0,0\n"
    )
    dataset = open_source(file)
    assert dataset.classes == ("B", "A")
    assert list(dataset.splits) == ["train", "val"]
    train = dataset.split("train")
    assert train.images == ("a.png", "c.png")
    assert train.patients == ("7", "8")
    np.testing.assert_array_equal(train.labels_NC, [[1, 0], [0, 0]])
    assert train.mask_NC is None
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").touch()
    assert train.path(0) == tmp_path / "train" / "a.png"


def test_a_file_for_each_split_and_one_without_splits(tmp_path):
    (tmp_path / "test.csv").write_text("path,A,B\nx.png,0,1\n")
    (tmp_path / "train.csv").write_text("path,B,A\ny.png,0,1\n")
    dataset = open_source(tmp_path)
    assert list(dataset.splits) == ["train", "test"]
    row = dataset.split("train").labels_NC[0]
    assert dict(zip(dataset.classes, row.tolist(), strict=True)) == {"A": 1, "B": 0}
    (tmp_path / "labels.csv").write_text("image,A\n00000061_012.png,1\n")
    alone = open_source(tmp_path / "labels.csv")
    assert alone.split("all").patients == ("00000061",)
    assert alone.task == "binary"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,A\na.png,2\n", "line 2: A must be 0, 1 or -1 .*found '2'"),
        ("image,A\na.png,\n", "line 2: A must be 0, 1 or -1 .*found ''"),
        ("image,A\na.png,1\n\na.png,1\n", r"line 4: image a\.png stands in an earlier line"),
        ("image,A,A\na.png,1,1\n", "column 'A' twice"),
        ("image,A\n/a.png,1\n", "must stay inside the folder"),
        ("image,A\na.png,1,0\n", "line 2: 3 fields, the header has 2"),
        ("image\na.png\n", "must have a named column for each finding"),
        (",image,A\n0,a.png,1\n", "must have a named column for each finding"),
        ("image,A\n", "holds a header and no image"),
        ("image,patient,A\na.png,,1\n", "line 2: no patient"),
    ],
)
def test_a_malformed_file_is_one_error(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)


def chexpert(folder):
    rows = [
        "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,"
        "1.0,,,,,,,,,0.0,,,,1.0",
        "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,"
        ",,-1.0,1.0,,-1.0,-1.0,,1.0,,-1.0,,1.0,",
    ]
    (folder / "train.csv").write_text(CHEXPERT_HEADER + "\n".join(rows))
    row = "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP," + ",".join(
        ["0.0"] * 14
    )
    (folder / "valid.csv").write_text(CHEXPERT_HEADER + row)
    return folder


@pytest.mark.parametrize(
    ("policy", "labels", "known"),
    [
        ("zeros", [1, 0, 0, 0, 0], None),
        ("ones", [1, 1, 1, 1, 1], None),
        ("ignore", [1, 0, 0, 0, 0], [True, False, False, False, False]),
    ],
)
def test_uncertain_labels_follow_the_policy(tmp_path, policy, labels, known):
    dataset = open_source(chexpert(tmp_path), uncertain=policy)
    assert dataset.classes == COMPETITION
    train = dataset.split("train")
    assert train.labels_NC[1].tolist() == labels
    assert train.labels_NC[0].tolist() == [0] * 5
    if known is None:
        assert train.mask_NC is None
    else:
        assert train.mask_NC[1].tolist() == known
        assert train.marked_labels[1].tolist() == [1, -1, -1, -1, -1]
        assert train.select([1]).mask_NC.tolist() == [known]
    assert dataset.split("val").mask_NC is None
    assert train.patients == ("patient00001", "patient00002")


def test_all_findings_of_chexpert_on_request(tmp_path):
    assert open_source(chexpert(tmp_path), findings="all").classes == CHEXPERT
    with pytest.raises(UsageError, match="--findings must be one of competition, all, got 'five'"):
        open_source(tmp_path, findings="five")
    with pytest.raises(UsageError, match="--uncertain must be one of ignore, zeros, ones, got 'drop'"):
        open_source(tmp_path, uncertain="drop")


def test_chexperts_images_are_found_in_a_renamed_folder(tmp_path):
    split = open_source(chexpert(tmp_path)).split("train")
    place = tmp_path / "train/patient00001/study1"
    place.mkdir(parents=True)
    (place / "view1_frontal.jpg").touch()
    assert split.path(0) == place / "view1_frontal.jpg"


def test_policies_have_digests_of_their_own(tmp_path):
    chexpert(tmp_path)
    digests = {open_source(tmp_path, uncertain=p).split("train").digest for p in ("zeros", "ones", "ignore")}
    assert len(digests) == 3


def test_prevalence_counts_known_labels_only(tmp_path):
    train = gather_statistics(open_source(chexpert(tmp_path))).splits[0]
    assert train.known["Edema"] == 1
    assert train.prevalence("Edema") == 0
    assert train.prevalence("Atelectasis") == 0.5
    assert "labels left out" in gather_statistics(open_source(tmp_path)).to_text()
