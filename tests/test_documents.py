"""Every command and program of README and docs is run, in order, on real data where that is here."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime.requires import DISTRIBUTION

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.M | re.S)
SMALL = 120
"""Images of each split of pneumonia28."""
SPLITS = {"train": 50, "val": 164, "test": 6}


def examples(document: Path) -> list[tuple[str, str]]:
    """The commands and Python programs of a document, in order: ("console", line) or ("python", program)."""
    found: list[tuple[str, str]] = []
    for kind, body in BLOCK.findall(document.read_text()):
        if kind == "python":
            found.append((kind, body))
            continue
        commands = body.replace("\\\n", " ")
        found += [("console", line[2:]) for line in commands.splitlines() if line.startswith("$ ")]
    return found


@pytest.fixture(scope="module")
def place(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the documents assume it: the checkpoint and the X-rays under their names, fewer of them."""
    folder = tmp_path_factory.mktemp("documents")
    data = shared / "data"
    for file in (data / "checkpoints").iterdir():
        (folder / file.name).symlink_to(file)
    mini = folder / "nih-mini"
    mini.mkdir()
    for name in ("images", "originals", "originals_list.txt"):
        (mini / name).symlink_to(data / "nih-mini" / name)
    for split, count in SPLITS.items():
        lines = (data / "nih-mini" / f"{split}_list.txt").read_text().splitlines(keepends=True)
        (mini / f"{split}_list.txt").write_text("".join(lines[:count]))
    (folder / "chest.png").symlink_to(data / "nih-mini/originals/00000061_012.png")
    with np.load(data / "pneumonia28.npz") as arrays:
        small = {name: array[:SMALL] for name, array in arrays.items()}
    np.savez(folder / "pneumonia28.npz", **small)
    return folder


def run(words: list[str], place: Path) -> None:
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]


def check_install(words: list[str]) -> None:
    """A `pip install` line must name extras that there are."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words[2:]:
        named = re.fullmatch(rf"(?:{DISTRIBUTION}|\.)(?:\[([a-z,]+)\])?", word)
        assert named, word
        assert set((named.group(1) or "dev").split(",")) <= set(extras)


def check_make(words: list[str]) -> None:
    """A `make` line must name a target that there is; the demo it runs has a test of its own."""
    subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.shared
def test_every_command_and_program_of_the_readme_runs(place):
    for kind, text in examples(ROOT / "README.md"):
        if kind == "python":
            run([sys.executable, "-c", text], place)
            continue
        words = shlex.split(text)
        if words[0] == "make":
            check_make(words)
        elif words[:2] == ["pip", "install"]:
            check_install(words)
        else:
            assert words[0] == "xopt", text
            run([sys.executable, "-m", *words], place)
    for result in ("demo/report.html", "shared-int8.xopt/manifest.json", "predictions.csv", "report.html"):
        assert (place / result).is_file()


def test_every_command_in_the_docs_is_one_that_there_is(xopt):
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for kind, text in examples(document):
            words = shlex.split(text) if kind == "console" else ["python"]
            if words[0] != "xopt":
                continue
            grouped = words[1] in ("data", "nas") or words[1:3] == ["train", "compare"]
            name = words[1:3] if grouped else words[1:2]
            if name[0].startswith("-"):
                continue
            offered = xopt(*name, "--help").out
            options = {word.split("=")[0] for word in words if word.startswith("--")}
            assert {o for o in options if o not in offered} == set(), f"{document.name}: {text}"


def test_every_install_line_in_the_documents_names_the_distribution():
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        named = re.findall(r'pip install "?(xopt[\w-]*)', document.read_text())
        assert set(named) <= {DISTRIBUTION}, document.name


def test_every_link_in_the_documents_leads_somewhere():
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
