import numpy as np
import pytest

from xopt.runtime import Bundle, DeviceError, UsageError
from xopt.runtime.backends import open_backend
from xopt.runtime.backends import openvino as openvino_backend
from xopt.runtime.backends.openvino import OpenVINOBackend, check_device, choose_device

from ..conftest import SIZE, small_ir
from .backend_contract import BackendContract


class TestOpenVINOBackend(BackendContract):
    engine = "openvino"
    model = "model.xml"

    @pytest.fixture
    def dishonest(self, tmp_path) -> dict[str, bytes]:
        xml, weights = small_ir(tmp_path, last="exp")
        return {"model_xml": xml, "model_bin": weights}

    def test_auto_is_the_cpu_where_there_is_nothing_else(self, both_files, opened, images):
        if find_devices() != ["CPU"]:
            pytest.skip("this machine has more than a CPU")
        np.testing.assert_array_equal(opened().infer(images[0]), opened(device="AUTO").infer(images[0]))


def find_devices() -> list[str]:
    from xopt.runtime.backends.openvino import import_openvino

    return list(import_openvino().Core().available_devices)


@pytest.mark.parametrize(
    ("asked", "present", "chosen"),
    [
        ("CPU", ["CPU"], "CPU"),
        ("CPU", ["CPU", "GPU"], "CPU"),
        ("GPU", ["CPU", "GPU.0", "GPU.1"], "GPU"),
        ("GPU.1", ["CPU", "GPU.0", "GPU.1"], "GPU.1"),
        ("NPU", ["CPU", "NPU"], "NPU"),
        ("AUTO", ["CPU"], "CPU"),
        ("AUTO", ["CPU", "GPU", "NPU"], "GPU"),
        ("AUTO", ["CPU", "NPU"], "CPU"),
    ],
)
def test_the_device_is_the_one_asked_for(asked, present, chosen):
    check_device(asked)
    assert choose_device(asked, present) == chosen


@pytest.mark.parametrize(
    ("asked", "present"), [("GPU", ["CPU"]), ("NPU", ["CPU", "GPU"]), ("GPU.1", ["CPU", "GPU.0"])]
)
def test_an_absent_device_is_named_with_those_that_there_are(asked, present):
    with pytest.raises(DeviceError, match=f"no device {asked} .* finds {', '.join(present)};"):
        choose_device(asked, present)


@pytest.mark.parametrize(
    "device", ["", "cpu", "TPU", "CPU.1", "GPU.x", "AUTO:CPU", "MULTI:CPU,GPU", "BATCH:CPU"]
)
def test_what_is_no_device_is_wrong_usage(device):
    with pytest.raises(UsageError, match="must be one of CPU, GPU, NPU, AUTO"):
        check_device(device)


def test_the_command_names_an_absent_device_in_one_line(bundle, xopt):
    absent = next(device for device in ("NPU", "GPU") if device not in find_devices())
    done = xopt("verify", bundle, "--device", absent)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"no device {absent}" in done.err
    assert "CPU" in done.err


def test_the_precision_is_pinned_on_whatever_device(bundle):
    backend = open_backend(Bundle.open(bundle), device="AUTO")
    assert backend._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert backend.input_shape == (1, SIZE, SIZE)


def test_an_openvino_that_lost_the_setting_compiles_as_by_default(ir, monkeypatch):
    monkeypatch.setattr(openvino_backend, "FAST_START", {"NO_SUCH_SETTING": "1"})
    image = np.full((SIZE, SIZE), 9, np.uint8)
    other = OpenVINOBackend(*ir).infer(image)
    monkeypatch.undo()
    np.testing.assert_allclose(OpenVINOBackend(*ir).infer(image), other, atol=1e-6)
