import csv
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from xopt.benchmarks.scoring import ScoreSettings, describe, score
from xopt.metrics.operating_points import calibration_error, sensitivity_at
from xopt.metrics.scores import METRICS

from .made import made_split

CLASSES = ("Edema", "Mass", "Hernia")


def answers(split, noise, seed=1):
    random = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-random.normal(1.5 * split.labels_NC - 0.7, 1) - random.normal(0, noise)))


@pytest.fixture
def split():
    return made_split(200, CLASSES)


def test_every_metric_is_there_for_every_class_and_the_mean(split):
    probabilities = answers(split, 0)
    facts = score(split, CLASSES, probabilities, settings=ScoreSettings(resamples=50)).to_json()
    assert facts["images"] == 200
    edema = facts["classes"]["Edema"]
    assert edema["auc"] == pytest.approx(roc_auc_score(split.labels_NC[:, 0], probabilities[:, 0]), abs=1e-12)
    assert edema["average_precision"] == pytest.approx(
        average_precision_score(split.labels_NC[:, 0], probabilities[:, 0])
    )
    assert edema["auc_ci"][0] < edema["auc"] < edema["auc_ci"][1]
    assert edema["positives"] == split.labels_NC[:, 0].sum()
    assert set(METRICS) <= set(edema)
    assert facts["mean"]["auc"] == pytest.approx((edema["auc"] + facts["classes"]["Mass"]["auc"]) / 2)
    assert sum(facts["confusion"]["Mass"].values()) == 200
    assert "compare" not in facts


def test_a_class_without_both_labels_is_null_and_never_nan(split):
    facts = score(split, CLASSES, answers(split, 0), settings=ScoreSettings(resamples=50)).to_json()
    hernia = facts["classes"]["Hernia"]
    assert [hernia[name] for name in (*METRICS, "auc_ci")] == [None] * 8
    assert hernia["positives"] == 0
    assert "NaN" not in json.dumps(facts, allow_nan=False)


def test_the_drop_is_the_references_auc_minus_the_predictions(split):
    good = answers(split, 0)
    poor = 0.5 * good + 0.5 * np.random.default_rng(3).random(good.shape)
    settings = ScoreSettings(resamples=200)
    better = score(split, CLASSES, good, settings=settings).to_json()["mean"]["auc"]
    compared = score(split, CLASSES, poor, settings=settings, reference_NC=good, reference="good.csv")
    facts = compared.to_json()
    assert facts["compare"]["mean_auc_drop"] == pytest.approx(better - facts["mean"]["auc"])
    assert facts["compare"]["mean_auc_drop"] > 0
    assert facts["compare"]["ci"][0] < facts["compare"]["mean_auc_drop"] < facts["compare"]["ci"][1]
    assert 0 < facts["compare"]["p_value"] <= 1
    assert facts["compare"]["classes"]["Hernia"] is None
    edema = facts["compare"]["classes"]["Edema"]
    assert {"auc_drop", "ci", "p_value", "delong_p_value", "calibration_error"} < set(edema)
    assert "Mean AUC drop against good.csv: +" in describe(compared)


def test_a_comparison_says_what_changes_where_predictions_are_used(split):
    reference = answers(split, 0)
    ours = reference.copy()
    ours[:10, 0] = 1 - ours[:10, 0]
    settings = ScoreSettings(resamples=20, threshold=0.4)
    compared = score(split, CLASSES, ours, settings=settings, reference_NC=reference)
    facts = compared.to_json()["compare"]["classes"][CLASSES[0]]
    labels = split.labels_NC[:, 0]
    before, after = reference[:, 0] >= 0.4, ours[:, 0] >= 0.4
    changed = int((before != after).sum())
    gained = int(((before != after) & (after == labels)).sum())
    assert changed > 0
    assert facts["decisions"] == {
        "threshold": 0.4,
        "flips": changed,
        "gained": gained,
        "lost": changed - gained,
    }
    assert facts["sensitivity_at_specificity_0.9"] == {
        "reference": sensitivity_at(labels, reference[:, 0], 0.9),
        "candidate": sensitivity_at(labels, ours[:, 0], 0.9),
    }
    assert facts["calibration_error"]["candidate"] == calibration_error(labels, ours[:, 0])
    text = describe(compared)
    assert f"{changed} of {len(split) * len(CLASSES)} decisions change at 0.4 ({gained} to right" in text
    assert "expected calibration error, mean over findings: " in text


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (0.9, "a loss that chance does not explain"),
        (0.0, "cannot tell the two apart"),
        (-0.9, "a gain that chance"),
    ],
)
def test_the_verdict_is_a_plain_sentence(split, shift, said):
    good = answers(split, 0)
    poor = (1 - abs(shift)) * good + abs(shift) * np.random.default_rng(3).random(good.shape)
    ours, reference = (poor, good) if shift > 0 else (good, poor)
    settings = ScoreSettings(resamples=200)
    assert said in describe(score(split, CLASSES, ours, settings=settings, reference_NC=reference))


def test_the_text_names_what_is_in_no_mean(split):
    text = describe(score(split, CLASSES, answers(split, 0), settings=ScoreSettings(resamples=20)))
    assert "Without both positive and negative images, so in no mean: Hernia." in text
    assert "100 patients" in text


@pytest.mark.parametrize("changes", [{"threshold": 1.5}, {"threshold": -0.1}, {"resamples": 1}])
def test_settings_check_themselves(changes):
    with pytest.raises(ValueError, match="must be"):
        ScoreSettings(**changes)


@pytest.fixture
def source(tmp_path):
    """A list of 60 images that are not there, and predictions of them."""
    folder = tmp_path / "data"
    folder.mkdir()
    split = made_split(60, CLASSES)
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    lines = (f"{n} {' '.join(map(str, row))}" for n, row in zip(split.images, split.labels_NC, strict=True))
    (folder / "test_list.txt").write_text("\n".join(lines) + "\n")
    (folder / "train_list.txt").write_text("other.png 0 0 1\n")
    for name, noise in (("ours", 0), ("theirs", 0.5)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", *CLASSES])
            writer.writerows([n, *row] for n, row in zip(split.images, answers(split, noise), strict=True))
    return folder


def test_the_command_scores_where_the_images_are_absent(xopt, source, tmp_path):
    done = xopt("score", tmp_path / "ours.csv", "--data", source, "--resamples", "50")
    assert done.code == 0, done.err
    assert "60 images of split test, 30 patients" in done.out
    assert "Edema" in done.out


def test_the_command_writes_the_same_facts_as_json(xopt, source, tmp_path):
    words = [
        "score",
        tmp_path / "ours.csv",
        "--data",
        source,
        "--compare",
        tmp_path / "theirs.csv",
        "--resamples",
        "50",
    ]
    done = xopt(*words, "--json")
    facts = json.loads(done.out)
    assert facts["images"] == 60
    assert set(facts["compare"]) >= {"mean_auc_drop", "ci", "p_value"}
    assert xopt(*words, "--json").out == done.out


def test_files_as_others_publish_them_are_scored_and_compared(xopt, source, tmp_path):
    plain = xopt("score", tmp_path / "ours.csv", "--data", source, "--resamples", "20", "--json")
    rows = [line.split(",") for line in (tmp_path / "ours.csv").read_text().splitlines()[1:]]
    (tmp_path / "pandas.csv").write_text(
        ",Image Index,prob_Edema,prob_Mass,prob_Hernia,Edema_true\n"
        + "".join(f"{i},x/{name},{','.join(values)},1\n" for i, (name, *values) in enumerate(rows))
    )
    (tmp_path / "index.csv").write_text(
        ",edema,mass,hernia\n"
        + "".join(f"{name.removesuffix('.png')},{','.join(values)}\n" for name, *values in rows)
    )
    words = ["score", tmp_path / "pandas.csv", "--data", source, "--resamples", "20"]
    refused = xopt(*words)
    assert refused.code == 1
    assert "column 'Edema_true', no class of the data" in refused.err
    words += ["--ignore-columns", "Edema_true", "--compare", tmp_path / "index.csv"]
    facts = json.loads(xopt(*words, "--json").out)
    assert facts["classes"] == json.loads(plain.out)["classes"]
    assert facts["image_column"] == "Image Index"
    assert facts["columns_left_out"] == ["Unnamed: 0", "Edema_true"]
    assert facts["compare"]["mean_auc_drop"] == 0
    assert facts["compare"]["image_column"] == "Unnamed: 0"
    assert facts["compare"]["columns_left_out"] == []
    said = xopt(*words).out
    assert (
        "pandas.csv: images are named by column 'Image Index'; columns not read: 'Unnamed: 0', 'Edema_true'"
        in said
    )
    assert "index.csv: images are named by column 'Unnamed: 0'." in said


def test_the_command_says_which_images_it_left_out(xopt, source, tmp_path):
    with (tmp_path / "ours.csv").open("a") as file:
        file.write("other.png,0.1,0.2,0.3\n")
    done = xopt("score", tmp_path / "ours.csv", "--data", source, "--resamples", "20")
    assert done.code == 0
    assert "left out, since only split test is scored: 1 of train" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--split", "val"], 1, "no split 'val'"),
        (["--threshold", "2"], 2, "threshold"),
        (["--ignore-columns", "y"], 1, "--ignore-columns must name columns of"),
        (["--ignore-columns", "Mass"], 1, "lacks column 'Mass'"),
        (["--compare", "none.csv"], 1, "cannot read none.csv"),
    ],
)
def test_the_command_refuses_in_one_line(xopt, source, tmp_path, words, code, said):
    done = xopt("score", tmp_path / "ours.csv", "--data", source, *words)
    assert done.code == code
    assert said in done.err
    assert done.out == ""


@pytest.mark.slow
def test_twenty_thousand_rows_of_fourteen_classes_score_as_scikit_learn_does(xopt, tmp_path):
    from xopt.datasets import FINDINGS

    random = np.random.default_rng(0)
    folder = tmp_path / "large"
    folder.mkdir()
    labels = (random.random((20_000, 14)) < 0.06).astype(np.uint8)
    names = [f"{i // 3:08d}_{i % 3:03d}.png" for i in range(20_000)]
    lines = (f"{n} {' '.join(map(str, row))}\n" for n, row in zip(names, labels.tolist(), strict=True))
    (folder / "test_list.txt").write_text("".join(lines))
    probabilities = 1 / (1 + np.exp(-random.normal(labels - 2.0, 1)))
    with (tmp_path / "p.csv").open("w") as file:
        file.write(",".join(("image", *FINDINGS)) + "\n")
        file.writelines(
            f"{n},{','.join(f'{p:.6f}' for p in row)}\n" for n, row in zip(names, probabilities, strict=True)
        )
    done = xopt("score", tmp_path / "p.csv", "--data", folder, "--json")
    facts = json.loads(done.out)
    rounded = probabilities.round(6)
    for c, finding in enumerate(FINDINGS):
        assert facts["classes"][finding]["auc"] == pytest.approx(
            roc_auc_score(labels[:, c], rounded[:, c]), abs=1e-9
        )
