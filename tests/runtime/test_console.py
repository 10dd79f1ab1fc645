import json

import pytest

from xopt.runtime.console import progress, show, table


def test_a_table_is_flush_left_then_flush_right():
    text = table(["name", "n"], [["a", "10"], ["longer", "2"]])
    assert text == "name     n\n------  --\na       10\nlonger   2"


@pytest.mark.parametrize(
    ("target", "out", "written"),
    [(None, "text\n", None), ("-", '{\n  "n": 1\n}\n', None), ("f.json", "text\n", {"n": 1})],
)
def test_text_is_for_people_and_json_for_machines(tmp_path, capsys, monkeypatch, target, out, written):
    monkeypatch.chdir(tmp_path)
    show("text", {"n": 1}, target)
    assert capsys.readouterr().out == out
    assert ((tmp_path / "f.json").exists() and json.loads((tmp_path / "f.json").read_text())) == (
        written or False
    )


def test_a_nan_never_reaches_json(capsys):
    with pytest.raises(ValueError, match="JSON compliant"):
        show("text", {"auc": float("nan")}, "-")
    assert capsys.readouterr().out == ""


def test_progress_is_silent_where_nobody_looks(capsys):
    assert list(progress(iter(range(3)), label="Counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
