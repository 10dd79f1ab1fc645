"""Guards that keep the house honest: what ships, what the root holds, what no file may say."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from xopt.runtime.requires import DISTRIBUTION

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOORS = {"runtime", "metrics", "report", "datasets", "models", "benchmarks", "train", "optimize", "nas"}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_the_distribution_has_one_name():
    assert PROJECT["project"]["name"] == DISTRIBUTION


def test_every_package_folder_is_named():
    folders = {p.parent for floor in FLOORS for p in (ROOT / floor).rglob("__init__.py")}
    named = {f"xopt.{folder.relative_to(ROOT).as_posix().replace('/', '.')}" for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == named | {"xopt"}


def test_the_root_holds_only_the_face():
    python = {name for name in tracked() if "/" not in name and name.endswith(".py")}
    assert python == {"__init__.py", "__main__.py", "cli.py"}
    folders = {name.split("/")[0] for name in tracked() if "/" in name}
    assert folders <= FLOORS | {"tests", "tools", "docs", ".ci", ".github"}


def test_every_floor_with_commands_keeps_them_in_one_file():
    for floor in FLOORS - {"metrics", "models", "report"}:
        assert (ROOT / floor / "commands.py").is_file()


def test_no_file_names_a_machine_or_a_registry():
    # Spelt in pieces, so that this file does not find itself.
    places = "|".join(["work", "farm", "root", "home/[a-z]+", "opt/pypi"])
    pattern = re.compile(rf"(^|[^A-Za-z0-9_.])/({places})/|index-url|files\.pythonhosted|registry\.npmjs")
    found = []
    for name in tracked():
        path = ROOT / name
        if path.suffix in (".png", ".svg", ".npz") or not path.is_file() or name == "tests/test_house.py":
            continue
        found += [
            f"{name}:{n}" for n, line in enumerate(path.read_text().splitlines(), 1) if pattern.search(line)
        ]
    assert found == []


def test_no_large_file_is_tracked():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked() if (ROOT / name).is_file()}
    assert {name: size for name, size in sizes.items() if size > 1_000_000} == {}


@pytest.mark.slow
def test_the_wheel_holds_every_package_and_no_test(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = (".py", ".toml", ".cpp", ".c", "CMakeLists.txt")
    ours = {n for n in tracked() if n.split("/")[0] in FLOORS and n.endswith(shipped)}
    assert {f"xopt/{name}" for name in ours} <= set(names)
    assert not [name for name in names if "test" in name]
    assert "xopt/py.typed" in names
