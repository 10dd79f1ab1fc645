"""The C++ and C programs of runtime/embed, built once a session, for every test that runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from xopt.runtime import Classifier
from xopt.runtime.backends.openvino import import_openvino

from .made_once import made_once

SOURCE = Path(__file__).resolve().parents[1] / "runtime" / "embed"
NAMES = ("classify_cpp", "classify_c")
# Leaks and undefined behaviour end the program. The address sanitizer cannot load OpenVINO's TBB.
SANITIZE = "-fsanitize=leak,undefined -fno-sanitize-recover=all"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The two programs as built, and as installed with only the libraries to ship, under sanitizers."""

    built: Path
    shipped: Path


def tool(name: str) -> str:
    """A build tool on PATH or beside this Python; a skip, or a failure where nothing may be skipped."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.is_file() else None)
    if found:
        return found
    if os.environ.get("XOPT_REQUIRE_SHARED"):
        pytest.fail(f"no {name} here, and XOPT_REQUIRE_SHARED allows no skip")
    pytest.skip(f"no {name} here")


def build(folder: Path, *settings: str) -> None:
    cmake = tool("cmake")
    where = f"-DOpenVINO_DIR={Path(import_openvino().__file__).parent / 'cmake'}"
    compilers = (f"-DCMAKE_C_COMPILER={tool('gcc')}", f"-DCMAKE_CXX_COMPILER={tool('g++')}")
    for words in (
        [cmake, "-S", SOURCE, "-B", folder, where, "-DXOPT_STRICT=ON", *compilers, *settings],
        [cmake, "--build", folder],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    sources = [file.read_bytes() for file in sorted(SOURCE.iterdir())]
    folder = made_once(request.config, embedded_programs, *sources)
    return Programs(built=folder / "built", shipped=folder / "shipped")


def embedded_programs(folder: Path) -> None:
    build(folder / "built")
    flags = [f"-DCMAKE_{language}_FLAGS={SANITIZE}" for language in ("C", "CXX")]
    build(folder / "sanitized", "-DCMAKE_BUILD_TYPE=Debug", *flags)
    shipped = folder / "shipped"
    subprocess.run(
        [tool("cmake"), "--install", folder / "sanitized", "--prefix", shipped],
        check=True,
        capture_output=True,
    )


def run(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    # Nothing of the environment may help the program to find OpenVINO.
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    return subprocess.run(
        [program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )


def answered(program: Path, bundle: Path, image: Path) -> dict[str, float]:
    done = run(program, bundle, image)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: float(value) for name, value in rows}


def write_pgm(path: Path, image_HW: np.ndarray) -> Path:
    height, width = image_HW.shape
    path.write_bytes(f"P5\n{width} {height}\n255\n".encode() + image_HW.tobytes())
    return path


def compare(program: Path, bundle: Path, images: Sequence[np.ndarray], folder: Path) -> None:
    with Classifier.load(bundle) as classifier:
        for image in images:
            here = answered(program, bundle, write_pgm(folder / "image.pgm", image))
            assert tuple(here) == classifier.manifest.classes
            assert np.abs(np.array([*here.values()]) - classifier.infer(image)).max() <= 1e-6
