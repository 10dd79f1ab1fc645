"""Reads the commands and programs of a document, and runs them as a user would."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.M | re.S)
SEARCHES = "Train and search"
"""The section of README whose commands need none of the others."""


def examples(text: str) -> list[tuple[str, str]]:
    """The commands and Python programs of a text, in order: ("console", line) or ("python", program)."""
    found: list[tuple[str, str]] = []
    for kind, body in BLOCK.findall(text):
        if kind == "python":
            found.append((kind, body))
            continue
        commands = body.replace("\\\n", " ")
        found += [("console", line[2:]) for line in commands.splitlines() if line.startswith("$ ")]
    return found


def sections() -> dict[str, str]:
    """README's sections by their headings, the first under its title."""
    parts = re.split(r"^##? (.*)\n", (ROOT / "README.md").read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def run_all(text: str, place: Path) -> int:
    """Run every command and program of a text, in order; how many there were."""
    found = examples(text)
    for kind, example in found:
        words = [sys.executable, "-c", example] if kind == "python" else _command(example)
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, f"{example}: {done.stderr[-2000:]}"
    return len(found)


def _command(line: str) -> list[str]:
    words = shlex.split(line)
    assert words[0] == "xopt", line
    return [sys.executable, "-m", *words]
