"""Another distribution called `xopt`, laid out on disk as an installer leaves it, beside this one."""

import json
import os
import subprocess
import sys

import pytest

MEND = "mend it with: pip uninstall {name} xopt-edge && pip install xopt-edge"


@pytest.fixture
def run(tmp_path):
    """Run the command line, beside a distribution of some name that installed a package `xopt` too."""

    def run(*words: object, beside: str | None = None) -> subprocess.CompletedProcess[str]:
        if beside:
            folder = tmp_path / f"{beside.replace('-', '_')}-3.2.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {beside}\nVersion: 3.2\n")
            (folder / "top_level.txt").write_text("xopt\n")
        paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(tmp_path)]
        return subprocess.run(
            [sys.executable, "-m", "xopt", *map(str, words)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("words", "code"), [(("--version",), 0), (("verify", "--help"), 0), (("verify", "absent.xopt"), 1)]
)
def test_another_xopt_is_named_in_one_line_on_stderr(run, words, code):
    done = run(*words, beside="xopt")
    assert done.returncode == code
    (line,) = [line for line in done.stderr.splitlines() if "3.2" in line]
    assert line.startswith("xopt: xopt 3.2 is installed beside xopt-edge")
    assert line.endswith(MEND.format(name="xopt"))
    assert done.stderr.count("\n") == 1 + code
    assert "3.2" not in done.stdout


def test_xopt_alone_has_nothing_to_mend(run):
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["xopt", "xopt-fork"])
def test_doctor_names_whoever_installs_a_package_xopt(run, tmp_path, name):
    done = run("doctor", "--json", tmp_path / "facts.json", beside=name)
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["conflict"].startswith(f"{name} 3.2 is installed beside xopt-edge")
    assert facts["conflict"].endswith(MEND.format(name=name))
    assert done.stdout.splitlines()[-1] == f"Conflict      {facts['conflict']}"
