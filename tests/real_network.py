"""The trained DenseNet-121 on real X-rays: exported, and quantized behind the default gate. Made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from .made_once import made_once


@dataclass(frozen=True, kw_only=True)
class Real:
    """A trained checkpoint with one crop an image, its FP32 and INT8 bundles, and its data."""

    checkpoint: Path
    data: Path
    fp32: Path
    int8: Path


@pytest.fixture(scope="session")
def real(request, shared) -> Real:
    """Calibrated on 60 images, which is enough for a test."""
    pytest.importorskip("torch")
    pytest.importorskip("nncf")
    checkpoint, data = shared / "data/checkpoints/densenet121-nih-mini.json", shared / "data/nih-mini"

    def real_network(folder: Path) -> None:
        from xopt.datasets import open_source
        from xopt.models import load_checkpoint
        from xopt.optimize import ExportSettings, QuantizeSettings, export_checkpoint, quantize_bundle

        source = open_source(data)
        exported = export_checkpoint(
            load_checkpoint(checkpoint),
            folder / "fp32.xopt",
            settings=ExportSettings(crops="center"),
            dataset=source,
        )
        settings = QuantizeSettings(calibration_size=60)
        quantize_bundle(exported.bundle, source, folder / "int8.xopt", settings=settings)

    folder = made_once(request.config, real_network, checkpoint.read_bytes())
    return Real(checkpoint=checkpoint, data=data, fp32=folder / "fp32.xopt", int8=folder / "int8.xopt")
