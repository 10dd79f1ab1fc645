"""README and docs name commands, options, packages and files that there are."""

import re
import shlex
import tomllib

from xopt.datasets import FORMATS
from xopt.models import ARCHITECTURES
from xopt.nas.validated_proposer import PROPOSERS
from xopt.runtime.requires import DISTRIBUTION

from .readme.commands import ROOT, examples

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DECISIONS = ROOT / "docs" / "decisions"


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
        for name, wanted in re.findall(
            r'pip install (?:--no-compile )?"?(xopt[\w-]*)(?:\[([a-z,]+)\])?', document.read_text()
        ):
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


def test_every_decision_has_a_number_a_date_and_a_status_and_stands_in_the_index():
    status = r"accepted|superseded by \[decision \d+\]\((?:\S+)\)"
    head = re.compile(rf"# (\d+)\. (.+)\n\nDate: (\d{{4}}-\d{{2}}-\d{{2}})\. Status: ({status})\.\n\n")
    rows = set()
    for file in DECISIONS.glob("[0-9]*.md"):
        found = head.match(file.read_text())
        assert found, f"{file.name} must begin with its title, date and status as 0001-no-telemetry.md does"
        number, title, date, state = found.groups()
        assert file.name.startswith(f"{int(number):04d}-")
        rows.add((number, title, file.name, date, state))
    assert len({number for number, *_rest in rows}) == len(rows)
    row = re.compile(r"^\| (\d+) \| \[(.+)\]\(([^)]+)\) \| (\S+) \| (.+) \|$", re.M)
    listed = row.findall((DECISIONS / "README.md").read_text())
    assert len(set(listed)) == len(listed)
    assert set(listed) == rows


def test_the_index_of_the_docs_links_every_page():
    linked = re.findall(r"\]\(([^)#]+?)\)", (ROOT / "docs" / "index.md").read_text())
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    experiments = {f"experiments/{page.name}" for page in (ROOT / "docs" / "experiments").glob("*.md")}
    assert pages | experiments | {"decisions/README.md"} <= set(linked)


def test_every_format_architecture_and_proposer_is_documented():
    pages = {
        name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("data", "export", "train", "search")
    }
    assert [known.name for known in FORMATS if f"| `{known.name}` |" not in pages["data"]] == []
    assert [name for name in ARCHITECTURES if f"`{name}`" not in pages["export"]] == []
    row = next(line for line in pages["train"].splitlines() if line.startswith("| `architecture` |"))
    assert [name for name in ARCHITECTURES if name not in row] == []
    rows = [line for line in pages["search"].splitlines() if line.startswith("| `")]
    assert [name for name in PROPOSERS if not any(f"`{name}`" in line.split("|")[1] for line in rows)] == []
