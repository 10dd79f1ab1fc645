"""What `from xopt.FOLDER import ...` gives, and that it costs nothing until it is used."""

import subprocess
import sys
from importlib import import_module

import pytest

COMMANDS = ("runtime", "datasets", "benchmarks", "train", "optimize", "nas")
FOLDERS = (*COMMANDS, "metrics", "models")
PACKAGES = [import_module(f"xopt.{folder}") for folder in FOLDERS]


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in PACKAGES for name in package.__all__]
)
def test_every_public_name_resolves_and_is_listed(package, name):
    assert getattr(package, name) is not None
    assert name in dir(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("folder", COMMANDS)
def test_importing_a_folder_and_its_commands_brings_nothing_heavy(folder):
    heavy = "('torch', 'openvino', 'nncf', 'onnx', 'numpy')"
    code = f"import sys, xopt.{folder}.commands; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
