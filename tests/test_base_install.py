"""What a device installs: `pip install .` in an environment of its own, without torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .runtime.conftest import small_ir, small_manifest
from .runtime.test_sbom import check_schema

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with nothing but the base install."""
    place = tmp_path_factory.mktemp("device")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    pip = [place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-compile", ROOT], check=True)
    return place / "bin"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from xopt.runtime.backends.openvino import OpenVINOBackend
    from xopt.runtime.bundle.bundle import write_bundle
    from xopt.runtime.bundle.golden import encode_golden

    folder = tmp_path_factory.mktemp("bundle")
    xml, weights = small_ir(folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    backend = OpenVINOBackend(xml, weights)
    golden = encode_golden(images, np.stack([backend.infer(image) for image in images]))
    files = {"model.xml": xml, "model.bin": weights, "golden.npz": golden}
    write_bundle(folder / "small.xopt", small_manifest(), files)
    return folder / "small.xopt"


def run(device: Path, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [device / words[0], *map(str, words[1:])],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_predict_verify_and_doctor_run_without_torch(device, bundle, tmp_path):
    Image.fromarray(np.full((40, 40), 200, np.uint8)).save(tmp_path / "x.png")
    assert run(device, "python", "-c", "import torch", cwd=tmp_path).returncode == 1
    for words in (("verify", bundle), ("predict", bundle, "x.png"), ("doctor",)):
        done = run(device, "xopt", *words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert "image,Bright,Left,Top" in run(device, "xopt", "predict", bundle, "x.png", cwd=tmp_path).stdout


@pytest.mark.slow
def test_it_takes_at_most_300_mb_also_when_it_has_run(device, bundle, tmp_path):
    for words in (("verify", bundle), ("doctor",)):
        assert run(device, "xopt", *words, cwd=tmp_path).returncode == 0
    packages = next((device.parent / "lib").glob("python*/site-packages"))
    # pip itself and its parts are the environment's.
    own = [p for p in packages.iterdir() if not p.name.startswith(("pip", "setuptools", "pkg_resources"))]
    files = [file for path in own for file in (path.rglob("*") if path.is_dir() else [path])]
    assert sum(file.stat().st_size for file in files if file.is_file()) <= 300e6


@pytest.mark.slow
def test_the_heavy_commands_name_their_install_line(device, bundle, tmp_path):
    (tmp_path / "c.json").write_text("{}")
    for words in (
        ("export", "c.json", "--out", "x.xopt"),
        ("quantize", bundle, "--data", ".", "--out", "x.xopt"),
    ):
        done = run(device, "xopt", *words, cwd=tmp_path)
        assert done.returncode == 1
        assert 'pip install "xopt-edge[optimize]"' in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_bill_of_materials_lists_all_that_is_installed(device, tmp_path):
    done = run(device, "xopt", "doctor", "--sbom", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    bill = json.loads(done.stdout)
    listed = run(device, "python", "-m", "pip", "list", "--format", "json", cwd=tmp_path)
    installed = {
        facts["name"].lower().replace("_", "-"): facts["version"] for facts in json.loads(listed.stdout)
    }
    tools = {name: installed.pop(name) for name in ("pip", "setuptools") if name in installed}
    named = {c["name"]: c["version"] for c in [*bill["components"], bill["metadata"]["component"]]}
    assert named == installed
    assert not tools.keys() & named.keys()
    assert str(device.parent) not in done.stdout
    check_schema(bill)


@pytest.mark.slow
def test_signatures_name_their_install_line(device, bundle, tmp_path):
    done = run(device, "xopt", "verify", bundle, "--key", "k.pub.pem", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert 'pip install "xopt-edge[sign]"' in done.stderr


@pytest.mark.slow
def test_a_dicom_names_its_install_line(device, bundle, tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"\0" * 128 + b"DICM")
    done = run(device, "xopt", "predict", bundle, "x.dcm", cwd=tmp_path)
    assert done.returncode == 1
    assert 'pip install "xopt-edge[dicom]"' in done.stderr


@pytest.mark.slow
def test_importing_the_runtime_loads_no_torch(device, tmp_path):
    code = "import xopt.runtime, sys; assert 'torch' not in sys.modules"
    assert run(device, "python", "-c", code, cwd=tmp_path).returncode == 0
