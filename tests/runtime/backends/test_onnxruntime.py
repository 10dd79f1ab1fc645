import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from xopt.runtime import Bundle, BundleError, Classifier, UsageError
from xopt.runtime.backends import open_backend
from xopt.runtime.bundle.bundle import write_bundle

from ..conftest import SIZE, small_manifest
from .backend_contract import BackendContract
from .small_onnx import onnx_graph, small_weights, with_tensor_elsewhere


class TestOnnxRuntimeBackend(BackendContract):
    engine = "onnxruntime"
    model = "model.onnx"

    @pytest.fixture
    def dishonest(self) -> dict[str, bytes]:
        return {"model_onnx": onnx_graph((SIZE, SIZE), small_weights(SIZE), last="Exp")}

    def test_a_graph_of_another_shape_than_the_manifest_says_is_refused(self, both_files, tmp_path):
        other = onnx_graph((SIZE, SIZE), small_weights(SIZE)[:, :2])
        write_bundle(tmp_path / "b.xopt", small_manifest(), {**both_files, "model.onnx": other})
        with pytest.raises(BundleError, match=r"the graph maps .* export it again"):
            Classifier.load(tmp_path / "b.xopt", engine="onnxruntime")

    @pytest.mark.parametrize("place", ["weights.bin", "../here/weights.bin", "ABSOLUTE"])
    def test_no_tensor_is_read_from_a_file_beside_the_verified_bytes(
        self, opened, both_files, tmp_path, monkeypatch, place
    ):
        folder = tmp_path / "here"
        folder.mkdir()
        (folder / "weights.bin").write_bytes(small_weights(SIZE).tobytes())
        monkeypatch.chdir(folder)
        place = str(folder / "weights.bin") if place == "ABSOLUTE" else place
        with pytest.raises(BundleError, match="cannot load the model"):
            opened(model_onnx=with_tensor_elsewhere(both_files["model.onnx"], place))

    def test_a_graph_that_cannot_run_is_a_bundle_error(self, opened, both_files):
        with pytest.raises(BundleError, match="cannot load the model"):
            opened(model_onnx=both_files["model.onnx"].replace(b"Sigmoid", b"Sigmoib"))


def test_a_bundle_without_onnx_says_what_to_do(bundle):
    with pytest.raises(BundleError, match=r"holds no model\.onnx.* use the engine openvino, or export"):
        open_backend(Bundle.open(bundle), engine="onnxruntime")


@pytest.mark.parametrize("device", ["GPU", "NPU", "AUTO"])
def test_onnx_runtime_has_the_cpu_only(bundle, device):
    with pytest.raises(UsageError, match="on the CPU only"):
        open_backend(Bundle.open(bundle), engine="onnxruntime", device=device)


def test_an_engine_that_there_is_not_is_wrong_usage(bundle, xopt):
    done = xopt("verify", bundle, "--engine", "tensorrt")
    assert done.code == 2
    assert "openvino, onnxruntime" in done.err


WITHOUT_OPENVINO = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "openvino":
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Absent())
from xopt.cli import main
main(sys.argv[1:])
"""


def test_everything_runs_where_openvino_cannot_be_imported(both_files, tmp_path):
    from PIL import Image

    write_bundle(tmp_path / "b.xopt", small_manifest(), both_files)
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(tmp_path / "x.png")

    def run(*words):
        call = [sys.executable, "-W", "error", "-c", WITHOUT_OPENVINO, *map(str, words)]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    for words in (("verify", tmp_path / "b.xopt"), ("predict", tmp_path / "b.xopt", tmp_path / "x.png")):
        done = run(*words, "--engine", "onnxruntime")
        assert (done.returncode, done.stderr) == (0, "")
        assert run(*words).returncode != 0


def test_verify_names_the_engine_that_answered(both_files, tmp_path, xopt):
    import json

    write_bundle(tmp_path / "b.xopt", small_manifest(), both_files)
    for engine in ("openvino", "onnxruntime"):
        facts = json.loads(xopt("verify", tmp_path / "b.xopt", "--engine", engine, "--json").out)
        assert facts["engine"] == engine
        assert facts["golden"]["max_difference"] <= facts["golden"]["tolerance"]
