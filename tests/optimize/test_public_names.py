"""What `from xopt.optimize import ...` gives."""

import subprocess
import sys

import pytest

import xopt.optimize


@pytest.mark.parametrize("name", xopt.optimize.__all__)
def test_every_public_name_resolves(name):
    assert getattr(xopt.optimize, name).__name__ == name
    assert name in dir(xopt.optimize)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = xopt.optimize.nothing


def test_importing_the_folder_and_its_commands_brings_nothing_heavy():
    heavy = "('torch', 'openvino', 'nncf', 'onnx')"
    code = f"import sys, xopt.optimize.commands; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
