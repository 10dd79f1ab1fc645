"""README and docs name commands, options, packages and files that there are."""

import re
import shlex
import tomllib

from xopt.runtime.requires import DISTRIBUTION

from .readme.commands import ROOT, examples

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_command_in_the_docs_is_one_that_there_is(xopt):
    for document in DOCUMENTS:
        for kind, text in examples(document.read_text()):
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


def test_every_install_line_names_the_distribution_and_extras_that_there_are():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for document in (path for path in DOCUMENTS if "decisions" not in path.parts):
        for name, wanted in re.findall(r'pip install "?(xopt[\w-]*)(?:\[([a-z,]+)\])?', document.read_text()):
            assert name == DISTRIBUTION, document.name
            assert set(wanted.split(",")) - {""} <= set(extras), f"{document.name}: {wanted}"


def test_every_make_line_names_a_target_that_there_is():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for document in DOCUMENTS:
        assert set(re.findall(r"`make ([a-z-]+)`", document.read_text())) <= set(targets), document.name


def test_every_link_in_the_documents_leads_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
