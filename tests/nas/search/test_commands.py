import json

import numpy as np
import pytest

from xopt.nas.hardware.latency_table import save_table
from xopt.nas.search.candidates import State
from xopt.nas.search.result import read_search

from ..finals.made import made_data
from ..hardware.made import made_table
from ..llm.server import serving


@pytest.fixture(scope="module")
def few_images(shared, tmp_path_factory):
    """96 training and 40 validation images of a real set, at their own size."""
    whole = np.load(shared / "data" / "pneumonia28.npz")
    path = tmp_path_factory.mktemp("data") / "pneumonia28.npz"
    parts = {"train": 96, "val": 40}
    np.savez(
        path,
        **{
            f"{split}_{kind}": whole[f"{split}_{kind}"][:count]
            for split, count in parts.items()
            for kind in ("images", "labels")
        },
    )
    return path


@pytest.mark.slow
@pytest.mark.shared
def test_three_networks_are_trained_for_real_and_kept_for_the_finals(xopt, few_images, tmp_path):
    out = tmp_path / "search"
    asked = ["--set", "epochs=1", "--max-params", 900_000, "--workers", 2, "--keep", 2]
    words = ["nas", "search", "--data", few_images, "--recipe", "search-small", "--out", out, "--budget", 3]
    done = xopt(*words, *asked, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["state"] == "ended"
    assert facts["ended"] == "the budget of 3 candidates is spent"
    rows = facts["candidates"]
    assert [row["state"] for row in rows] == ["done"] * 3
    assert len({row["architecture"] for row in rows}) == 3
    assert all(row["parameters"] <= 900_000 and row["hours"] > 0 and len(row["curve"]) == 1 for row in rows)
    assert facts["best"]["value"] == max(row["value"] for row in rows)
    assert sum(row["run"] is not None for row in rows) == 2
    # A line a candidate, where there is no terminal.
    assert len([line for line in done.err.splitlines() if "val mean AUC" in line]) == 3
    found = read_search(out)
    best = found.best()[0]
    run = found.run_folder(best)
    assert run is not None
    assert json.loads((run / "checkpoint.json").read_text())["architecture"] == f"macro-{best.code}"

    shown = xopt("nas", "show", out)
    assert shown.code == 0
    headings = "iteration architecture AUC parameters MB hours epochs"
    assert shown.out.splitlines()[0].split() == headings.split()
    assert f"best: {best.code}, val mean AUC {best.value:.4f}" in shown.out

    # It has nothing left to do, and says so without a worker.
    again = xopt("nas", "search", "--out", out, "--resume", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["candidates"] == rows
    other = xopt("nas", "search", "--out", out, "--resume", "--set", "epochs=2")
    assert other.code == 2
    assert "the search to resume has another recipe" in other.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs --data SOURCE, --recipe NAME_OR_FILE, --budget N, or --resume"),
        (["--data", "x", "--recipe", "search-smal", "--budget", "3"], "did you mean search-small?"),
        (["--data", "x", "--recipe", "search-small", "--budget", "3", "--space", "x"], "unknown space 'x'"),
        (["--data", "x", "--recipe", "search-small", "--budget", "3", "--proposer", "x"], "unknown proposer"),
        (
            ["--data", "x", "--recipe", "search-small", "--budget", "3", "--hours", "0"],
            "hours must be above 0",
        ),
        (["--data", "x", "--recipe", "search-small", "--budget", "3", "--max-latency-ms", "2"], "prediction"),
        (["--resume"], "no search in"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_is_made(xopt, tmp_path, words, said):
    done = xopt("nas", "search", "--out", tmp_path / "s", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "s").exists()


SEARCH = ("--recipe", "search-small", "--budget", 2)
LLM = ("--data", "x", *SEARCH, "--proposer", "llm", "--llm-model", "m")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (LLM, "--llm-url http://HOST:PORT/v1"),
        ((*LLM, "--llm-url", "http://me:secret@127.0.0.1/v1"), "must hold no name and no password"),
        (("--data", "x", *SEARCH, "--llm-url", "http://127.0.0.1/v1"), "add --proposer llm"),
        (("--data", "x", *SEARCH, "--bundle", "{}/net.xopt", "--precision", "int4"), "one of FP32, INT8"),
        (("--data", "{}/nothing.npz", *SEARCH), "no data at"),
        (("--data", "{}/squares.npz", *SEARCH, "--max-params", 1000), "no network is within the limits"),
        (
            ("--data", "{}/squares.npz", *SEARCH, "--latency-table", "{}/nothing.json"),
            "cannot read latency table",
        ),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_a_mistake_leaves_no_folder_and_an_older_search_as_it_was(xopt, tmp_path, words, said, before):
    made_data(tmp_path)
    out = tmp_path / "s"
    if before:
        out.mkdir()
        (out / "search.json").write_text("older")
    done = xopt("nas", "search", "--out", out, "--force", *(str(word).format(tmp_path) for word in words))
    assert done.code in (1, 2)
    assert said in done.err
    assert done.err.count("\n") == 1
    assert [path.read_text() for path in out.glob("*")] == ["older"] * before
    assert out.exists() is before


def test_a_log_to_replay_is_not_removed_with_the_search_it_lies_in(xopt, tmp_path):
    made_data(tmp_path)
    out = tmp_path / "s"
    out.mkdir()
    (out / "search.json").write_text("{}")
    log = out / "llm.jsonl"
    log.write_text("")
    words = ("--data", tmp_path / "squares.npz", *SEARCH, "--proposer", "llm", "--llm-replay", log)
    done = xopt("nas", "search", "--out", out, "--force", *words)
    assert done.code == 2
    assert "llm.jsonl lies in the search that --force removes" in done.err
    assert log.is_file()


def test_a_bundle_of_another_precision_than_the_latency_table_is_refused_before_the_search(xopt, tmp_path):
    made_data(tmp_path)
    save_table(made_table(), tmp_path / "fp32.json")
    words = ("--data", tmp_path / "squares.npz", *SEARCH, "--latency-table", tmp_path / "fp32.json")
    done = xopt(
        "nas", "search", "--out", tmp_path / "s", *words, "--bundle", tmp_path / "n", "--precision", "int8"
    )
    assert done.code == 2
    assert "the latency table is of FP32 on 1 threads, the bundle is to be INT8" in done.err
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_a_language_model_is_asked_and_its_key_is_written_nowhere(xopt, tmp_path, monkeypatch):
    made_data(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-kept")
    out = tmp_path / "s"
    small = ("--set", "epochs=1", "--max-params", 500_000, "--workers", 1)
    with serving(lambda call: call.say(f"{call.headers['authorization']}\n1. 00000100")) as server:
        words = ("--data", tmp_path / "squares.npz", *SEARCH, "--proposer", "llm", "--llm-url", server.url)
        done = xopt("nas", "search", "--out", out, *words, "--llm-model", "m", *small, "--json")
        assert done.code == 0, done.err
        assert server.calls[0].headers["authorization"] == "Bearer sk-not-to-be-kept"
    # The first is the surrogate's own, the second the model's.
    assert [row["state"] for row in json.loads(done.out)["candidates"]] == ["done", "done"]
    assert json.loads(done.out)["candidates"][1]["architecture"] == "00000100"
    assert "[key]" in (out / "llm.jsonl").read_text()
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"not-to-be-kept" not in kept
    assert "not-to-be-kept" not in done.out + done.err


def test_a_folder_without_a_search_is_refused(xopt, tmp_path):
    done = xopt("nas", "show", tmp_path)
    assert done.code == 1
    assert "search.json is missing" in done.err


def test_states_of_a_row_are_words():
    assert [str(state) for state in State] == ["waiting", "running", "done", "stopped", "failed"]
