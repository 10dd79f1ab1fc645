"""Another distribution called `xopt`, laid out on disk as an installer leaves it, beside this one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xopt.runtime.requires import conflict

MEND = "mend it with: pip uninstall {name} xopt-edge && pip install xopt-edge"


def lay_out(place: Path, name: str, *, form: str = "dist-info", version: str = "3.2", left: str = "") -> None:
    """A distribution that has a package `xopt`, with the files that its installer left."""
    facts = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}[form]
    folder = place / f"{name.replace('-', '_')}-{version}.{form}"
    folder.mkdir(parents=True)
    (folder / facts).write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (folder / "top_level.txt").write_text("xopt\n")
    for file in left.split():
        (folder / file).write_text({"INSTALLER": "pip\n", "RECORD": "xopt/__init__.py,,\n"}[file])


@pytest.fixture
def run(tmp_path):
    """Run the command line, beside a distribution of some name that installed a package `xopt` too."""

    def run(*words: object, beside: str | None = None) -> subprocess.CompletedProcess[str]:
        if beside:
            lay_out(tmp_path, beside, left="INSTALLER RECORD")
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
@pytest.mark.parametrize(
    ("form", "left", "installed"),
    [
        ("dist-info", "INSTALLER RECORD", True),
        ("dist-info", "RECORD", True),
        ("dist-info", "INSTALLER", True),
        ("dist-info", "", False),
        ("egg-info", "INSTALLER", True),
        ("egg-info", "", False),
    ],
)
def test_only_what_an_installer_put_there_is_a_conflict(tmp_path, monkeypatch, name, form, left, installed):
    lay_out(tmp_path, name, form=form, left=left)
    monkeypatch.syspath_prepend(tmp_path)
    found = conflict([name, "xopt-edge"])
    assert (found is not None) is installed
    assert found is None or found.startswith(f"{name} 3.2 is installed beside xopt-edge")


def test_an_installed_xopt_behind_an_old_checkout_on_the_path_is_found(tmp_path, monkeypatch):
    lay_out(tmp_path / "site", "xopt", version="3.2", left="INSTALLER")
    lay_out(tmp_path / "checkout", "xopt", version="0.0", form="egg-info")
    for folder in ("site", "checkout"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert (conflict() or "").startswith("xopt 3.2 is installed beside xopt-edge")


@pytest.mark.parametrize("name", ["xopt", "xopt-fork"])
def test_doctor_names_whoever_installs_a_package_xopt(run, tmp_path, name):
    done = run("doctor", "--json", tmp_path / "facts.json", beside=name)
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["conflict"].startswith(f"{name} 3.2 is installed beside xopt-edge")
    assert facts["conflict"].endswith(MEND.format(name=name))
    assert done.stdout.splitlines()[-1] == f"Conflict      {facts['conflict']}"
