import pytest

from xopt.datasets import FINDINGS, open_source
from xopt.runtime.errors import DataError

HEADER = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n"


def release(folder, patients=40, images=2):
    names = [f"{p:08d}_{i:03d}.png" for p in range(1, patients + 1) for i in range(images)]
    findings = ["No Finding", "Hernia", "Effusion|Edema"]
    rows = [f"{name},{findings[n % 3]},0,{int(name[:8])},50,F,PA\n" for n, name in enumerate(names)]
    (folder / "Data_Entry_2017_v2020.csv").write_text(HEADER + "".join(rows))
    cut = patients * images * 3 // 4
    (folder / "train_val_list.txt").write_text("\n".join(names[:cut]))
    (folder / "test_list.txt").write_text("\n".join(names[cut:]))
    return names, cut


def test_the_release_is_recognised_before_its_lists_are(tmp_path):
    names, cut = release(tmp_path)
    dataset = open_source(tmp_path)
    assert dataset.classes == FINDINGS
    assert dataset.task == "multi-label"
    assert list(dataset.splits) == ["train", "val", "test"]
    assert dataset.split("test").images == tuple(names[cut:])
    row = dataset.split("test").labels_NC[names[cut:].index(names[cut + 1])]
    wanted = {0: [], 1: ["Hernia"], 2: ["Effusion", "Edema"]}[(cut + 1) % 3]
    assert [name for name, label in zip(FINDINGS, row, strict=True) if label] == wanted


def test_val_is_carved_out_by_patient_and_stays_the_same(tmp_path):
    names, cut = release(tmp_path)
    dataset = open_source(tmp_path)
    train, val = dataset.split("train"), dataset.split("val")
    assert set(train.images) | set(val.images) == set(names[:cut])
    assert not set(train.patients) & set(val.patients)
    assert 0 < len(val) < len(train)
    # A patient's part does not depend on who else is there.
    (tmp_path / "train_val_list.txt").write_text("\n".join(names[: cut // 2]))
    fewer = open_source(tmp_path).split("val")
    assert set(fewer.patients) == set(val.patients) & {name[:8] for name in names[: cut // 2]}


@pytest.mark.parametrize("place", ["images", "images_007/images", "."])
def test_images_are_found_where_the_release_unpacks_them(tmp_path, place):
    names, cut = release(tmp_path)
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[cut]).touch()
    assert open_source(tmp_path).split("test").path(0) == folder / names[cut]


def test_without_its_lists_everything_is_one_split(tmp_path):
    names, _cut = release(tmp_path)
    (tmp_path / "train_val_list.txt").unlink()
    (tmp_path / "test_list.txt").unlink()
    dataset = open_source(tmp_path / "Data_Entry_2017_v2020.csv")
    assert dataset.split("all").images == tuple(names)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("test_list.txt", None, "has train_val_list.txt but no test_list.txt"),
        (
            "test_list.txt",
            "00000099_000.png\n",
            r"line 1: image '00000099_000\.png' is not in the Data_Entry",
        ),
        ("Data_Entry_2017_v2020.csv", "a,b\n1,2\n", "lacks column 'Image Index'"),
        ("Data_Entry_2017_v2020.csv", HEADER, "holds a header and no image"),
        (
            "Data_Entry_2017_v2020.csv",
            HEADER + "x.png,Efusion,0,1,50,F,PA\n",
            "line 2: unknown finding 'Efusion'",
        ),
        ("Data_Entry_2017_v2020.csv", HEADER + "../x.png,Edema,0,1,50,F,PA\n", "must stay inside the folder"),
        ("Data_Entry_2017_v2020.csv", HEADER + "x.png,Edema,0,1\n", "line 2: 4 fields, the header has 7"),
    ],
)
def test_a_malformed_release_is_one_error(tmp_path, file, text, message):
    release(tmp_path)
    if text is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)
