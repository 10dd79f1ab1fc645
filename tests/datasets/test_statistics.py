import json

import pytest

from xopt.datasets import gather_statistics, open_source


@pytest.fixture
def leaking(tmp_path):
    (tmp_path / "classes.txt").write_text("Mass\nNodule\n")
    train = "".join(f"0000000{p}_000.png 1 0\n" for p in range(1, 7)) + "00000001_001.png 0 0\n"
    (tmp_path / "train_list.txt").write_text(train)
    (tmp_path / "val_list.txt").write_text("".join(f"0000000{p}_002.png 0 1\n" for p in range(2, 8)))
    (tmp_path / "test_list.txt").write_text("x.png 0 1\ny.png 0 0\nz.png 1 1\nw.png 0 0\n")
    return tmp_path


def test_images_patients_and_positives_are_counted(leaking):
    train, val, test = gather_statistics(open_source(leaking)).splits
    assert (train.images, train.patients, train.positives, train.without_finding) == (
        7,
        6,
        {"Mass": 6, "Nodule": 0},
        1,
    )
    assert (val.images, val.patients, val.without_finding) == (6, 6, 0)
    assert (test.images, test.patients, test.without_finding) == (4, None, 2)
    assert test.prevalence("Nodule") == 0.5


def test_patients_in_two_splits_are_named(leaking):
    (overlap,) = gather_statistics(open_source(leaking)).overlaps
    assert overlap.splits == ("train", "val")
    assert overlap.patients == ("00000002", "00000003", "00000004", "00000005", "00000006")
    assert str(overlap) == "5 patients stand in both train and val: 00000002, 00000003, 00000004 and 2 more"


def test_one_image_in_two_splits_is_an_overlap_even_where_patients_are_not_known(tmp_path):
    (tmp_path / "classes.txt").write_text("A\n")
    (tmp_path / "train_list.txt").write_text("a.png 0\nb.png 0\n")
    (tmp_path / "val_list.txt").write_text("b.png 0\n")
    (overlap,) = gather_statistics(open_source(tmp_path)).overlaps
    assert str(overlap) == "1 patient stands in both train and val: b.png"


def test_the_command_prints_a_table_and_warns_on_stderr(leaking, xopt):
    done = xopt("data", "stats", leaking)
    assert done.code == 0
    assert "Mass" in done.out
    assert "85.7 %" in done.out
    assert "not known" in done.out
    assert "warning: 5 patients stand in both train and val: 00000002" in done.err


def test_the_command_gives_the_same_facts_as_json_on_stdout_alone(leaking, xopt):
    facts = json.loads(xopt("data", "stats", leaking, "--json").out)
    assert facts["classes"] == ["Mass", "Nodule"]
    assert facts["splits"]["test"]["patients"] is None
    assert facts["splits"]["train"]["prevalence"]["Mass"] == pytest.approx(6 / 7)
    assert facts["overlaps"][0]["patients"][-1] == "00000006"


def test_the_command_says_in_one_line_what_is_wrong(tmp_path, xopt):
    done = xopt("data", "stats", tmp_path / "nothing")
    assert done.code == 1
    assert done.err.startswith("xopt: no data at ")
    assert done.err.count("\n") == 1


@pytest.mark.shared
def test_the_real_counts_are_those_of_the_lists(shared, xopt):
    facts = json.loads(xopt("data", "stats", shared / "data" / "nih-mini", "--json").out)
    counts = {name: (split["images"], split["patients"]) for name, split in facts["splits"].items()}
    assert counts["train"] == (911, 719)
    assert counts["val"] == (164, 142)
    assert counts["test"] == (323, 260)
    assert facts["splits"]["test"]["positives"]["Pneumonia"] == 116
    # The originals are test images once more; train, val and test share no patient.
    assert [overlap["splits"] for overlap in facts["overlaps"]] == [["test", "originals"]]
