"""The end of a search on the command line: what is refused before any work."""

import pytest


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 1, "no search in"),
        (("--precision", "int4"), 2, "one of FP32, INT8"),
        (("--pick", "worst"), 2, "one of best, front"),
        (("--max-latency-ms", "0"), 2, "above 0"),
        (("--finalists", "0"), 2, "--finalists"),
    ],
)
def test_what_cannot_be_finished_is_refused_in_one_line(xopt, tmp_path, words, code, said):
    done = xopt("nas", "finish", tmp_path, "--out", tmp_path / "net.xopt", *words)
    assert done.code == code
    assert said in done.err
    assert not (tmp_path / "net.xopt").exists()


def test_a_report_needs_a_bundle(xopt, tmp_path):
    done = xopt("nas", "search", "--out", tmp_path / "s", "--report", tmp_path / "r.html")
    assert done.code == 2
    assert "add --bundle BUNDLE" in done.err


def test_a_bundle_in_the_way_is_refused_before_the_search(xopt, tmp_path):
    (tmp_path / "net.xopt").mkdir()
    words = ("--data", tmp_path, "--recipe", "search-small", "--budget", "2")
    done = xopt("nas", "search", *words, "--out", tmp_path / "s", "--bundle", tmp_path / "net.xopt")
    assert "exists already" in done.err
    assert not (tmp_path / "s").exists()
