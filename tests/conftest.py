"""Shared fixtures: real X-rays with a trained checkpoint, and ways to run the command line."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .embedding import programs  # noqa: F401  a fixture, for the tests of every folder
from .real_network import real  # noqa: F401  likewise
from .small_network import small  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
SHARED_IS_REQUIRED = bool(os.environ.get("XOPT_REQUIRE_SHARED"))
LONGEST = (
    "readme/test_pipeline.py",
    "test_real_path.py",
    "test_export.py",
    "test_tuning.py",
    "test_comparison.py",
)
"""Files that take minutes."""
passed_with_shared: set[str] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that with two processes the other one is not left waiting at the end."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the tests that really ran on the shared data."""
    if report.when == "call" and report.passed and "shared" in report.keywords:
        passed_with_shared.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the shared data must be there, a whole run without a test on it is a failure."""
    whole_run = not session.config.option.keyword and not session.config.option.file_or_dir
    if SHARED_IS_REQUIRED and whole_run and not passed_with_shared:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on real X-rays."""
    terminalreporter.write_line(f"{len(passed_with_shared)} tests passed on the shared data")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What one run of the command line left."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real X-rays and a trained checkpoint; skips where it is absent and not required."""
    folder = Path(os.environ.get("XOPT_SHARED", ROOT.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        if SHARED_IS_REQUIRED:
            pytest.fail("XOPT_REQUIRE_SHARED is set, and there is no shared data beside the project")
        pytest.skip("no shared data beside the project (set XOPT_SHARED to its folder)")
    return folder


@pytest.fixture
def xopt(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: xopt("verify", path) -> Finished."""

    def run(*words: object) -> Finished:
        from xopt.cli import main

        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        said = capsys.readouterr()
        code = leaving.value.code
        return Finished(
            code=code if isinstance(code, int) else int(code is not None), out=said.out, err=said.err
        )

    return run


@pytest.fixture
def xopt_process():
    """Run the command line in a process of its own, as a user does."""

    def run(*words: object, cwd: Path | None = None, timeout: float = 600) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", "xopt", *map(str, words)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)

    return run
