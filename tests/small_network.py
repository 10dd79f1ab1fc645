"""One tiny network in all its forms: a checkpoint, its bundle, and a bundle of coarser weights. Untrained."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from xopt.runtime import Preprocessing

from .made_once import made_once

ARCHITECTURE = "macro-1-depths1-widths8"
SIZE, CROP = 72, 64
PREPROCESSING = Preprocessing.square(SIZE, CROP, crops="ten")


@dataclass(frozen=True, kw_only=True)
class Small:
    """A checkpoint, its bundle with ONNX, a bundle with other weights, and synthetic data for all of them."""

    checkpoint: Path
    bundle: Path
    other: Path
    data: Path


@pytest.fixture(scope="session")
def small(request) -> Small:
    """A few convolutions over ten crops of 64 x 64 pixels out of 72 x 72, and a linear layer."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    folder = made_once(request.config, small_network)
    return Small(
        checkpoint=folder / "run" / "checkpoint.json",
        bundle=folder / "fp32.xopt",
        other=folder / "int8.xopt",
        data=folder / "phantoms",
    )


def small_network(folder: Path) -> None:
    import torch

    from xopt.datasets import open_source, phantoms
    from xopt.models import build, save_checkpoint

    data = folder / "phantoms"
    phantoms.write(data, count=100, seed=5, size=96)
    classes = open_source(data).classes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(ARCHITECTURE, len(classes)).eval()
    made = {"architecture": ARCHITECTURE, "classes": classes, "preprocessing": PREPROCESSING}
    (folder / "run").mkdir()
    checkpoint = save_checkpoint(folder / "run", network, **made)
    write_bundle_of(checkpoint, folder / "fp32.xopt")
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((weight * 50).round() / 50)
    (folder / "coarse").mkdir()
    write_bundle_of(save_checkpoint(folder / "coarse", network, **made), folder / "fp32-coarse.xopt")
    as_int8(folder / "fp32-coarse.xopt", folder / "int8.xopt")


def write_bundle_of(checkpoint: Path, path: Path) -> None:
    from xopt.models import load_checkpoint
    from xopt.optimize import ExportSettings, export_checkpoint

    settings = ExportSettings(crops="ten", intended_use="Tests <only>.", parity_images=2)
    export_checkpoint(load_checkpoint(checkpoint), path, settings=settings)


def as_int8(source: Path, path: Path) -> None:
    """Write a bundle anew, INT8 by name alone and without an ONNX form."""
    from xopt.runtime.bundle.bundle import GOLDEN, MODEL, WEIGHTS, Bundle, write_bundle

    bundle = Bundle.open(source)
    files = {name: bundle.read(name) for name in (MODEL, WEIGHTS, GOLDEN)}
    write_bundle(path, replace(bundle.manifest, name=path.stem, precision="INT8", files={}), files)
