import json
import subprocess
import sys

import pytest

from xopt import __version__
from xopt.cli import normalise


@pytest.mark.parametrize(
    ("words", "expected", "debug"),
    [
        (["verify", "b"], ["verify", "b"], False),
        (["verify", "b", "--json"], ["verify", "b", "--json=-"], False),
        (["verify", "--json", "b"], ["verify", "--json=-", "b"], False),
        (["verify", "b", "--json", "f.json"], ["verify", "b", "--json=f.json"], False),
        (["verify", "b", "--json=f.txt"], ["verify", "b", "--json=f.txt"], False),
        (["score", "--json", "p.csv"], ["score", "--json=-", "p.csv"], False),
        (["--debug", "verify", "b"], ["verify", "b"], True),
        (["verify", "b", "--debug"], ["verify", "b"], True),
        (["verify", "--", "--debug", "--json"], ["verify", "--", "--debug", "--json"], False),
    ],
)
def test_json_and_debug_are_understood_anywhere(words, expected, debug):
    assert normalise(words) == (expected, debug)


def test_help_names_every_command(xopt):
    done = xopt("--help")
    assert done.code == 0
    for command in (
        "demo",
        "data",
        "train",
        "export",
        "quantize",
        "predict",
        "score",
        "bench",
        "verify",
        "doctor",
    ):
        assert command in done.out


@pytest.mark.parametrize(
    "command", ["demo", "train", "export", "quantize", "predict", "score", "bench", "verify"]
)
def test_every_command_has_help_and_json(xopt, command):
    done = xopt(command, "--help")
    assert done.code == 0
    assert "--json" in done.out


def test_the_version_is_the_packages(xopt):
    assert xopt("--version").out == f"xopt {__version__}\n"


@pytest.mark.parametrize("words", [["nonsense"], ["verify"], ["verify", "b", "--nonsense"]])
def test_wrong_usage_exits_with_2(xopt, words):
    assert xopt(*words).code == 2


def test_an_error_is_one_line_and_a_traceback_only_with_debug(xopt, tmp_path):
    plain = xopt("verify", tmp_path / "absent.xopt")
    assert (plain.code, plain.out, plain.err.count("\n")) == (1, "", 1)
    assert plain.err.startswith("xopt: no bundle at ")
    assert "Traceback" in xopt("verify", tmp_path / "absent.xopt", "--debug").err


def test_an_existing_json_file_is_refused_before_the_work(xopt, tmp_path):
    (tmp_path / "f.json").write_text("precious")
    done = xopt("doctor", "--json", tmp_path / "f.json")
    assert (done.code, (tmp_path / "f.json").read_text()) == (1, "precious")


def test_a_json_file_holds_the_facts_and_stdout_the_text(xopt, tmp_path):
    done = xopt("doctor", "--json", tmp_path / "f.json")
    assert done.out.startswith("CPU ")
    assert json.loads((tmp_path / "f.json").read_text())["cores"] >= 1


HEAVY = (
    *("PIL", "accelerate", "cryptography", "distributed", "matplotlib", "mpi4py", "nncf", "numpy", "onnx"),
    *("onnxruntime", "onnxscript", "openai", "openvino", "optuna", "pandas", "pydicom", "safetensors"),
    *("scipy", "sklearn", "tensorboard", "timm", "torch", "torchvision", "transformers"),
)


@pytest.mark.parametrize("words", [["--help"], ["verify", "--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(words):
    """They answer at once because they load none of the libraries that the work needs."""
    code = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('xopt', run_name='__main__', alter_sys=True)\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    imported = done.stderr.split()
    assert "xopt.cli" in imported
    assert not set(HEAVY) & set(imported)


def test_importing_the_runtime_loads_no_torch():
    subprocess.run(
        [sys.executable, "-c", "import xopt.runtime, sys; assert 'torch' not in sys.modules"], check=True
    )


def test_openvino_is_imported_without_its_telemetry():
    code = (
        "import sys\n"
        "from xopt.runtime.backends.openvino import import_openvino\n"
        "import_openvino()\n"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
