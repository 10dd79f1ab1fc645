"""README's `xopt demo`, which needs no data."""

import pytest


@pytest.mark.slow
def test_the_demo_ends_in_a_report_that_says_what_it_made(xopt_process, tmp_path):
    done = xopt_process("demo", cwd=tmp_path, timeout=1800)
    assert done.code == 0, done.err
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"report.html", "predictions.csv", "fp32.xopt", "int8.xopt"} <= made
    assert "demo/report.html" in done.out
